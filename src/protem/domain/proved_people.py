"""A person as an identity provider vouches for them, at sign-in and when they leave.

Here: the values, and the group names that a provider may not give. Not here: protocols.

Invariants: identity is issuer + subject; a provider cannot put anybody into a group that Protem
itself gives meaning to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalId

RESERVED_GROUPS = ("protem:", "oncall:")
MAX_GROUPS = 500
MAX_DISPLAY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedPerson:
    """Who signed in.

    Attributes:
        groups: as the provider says; None when it does not say, and what is known stays.
        provider: the provider's name in the settings, for the log.
        marks: digests by which the provider can say later that this sign-in is over.
    """

    id: PrincipalId
    display: str
    provider: str
    groups: frozenset[GroupName] | None = None
    marks: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A provider's word that somebody has left it.

    Attributes:
        person: who left, where the provider names them as we do.
        mark: else the mark of the sign-ins that are over.
        digest: of the announcement itself, which counts once.
        until: how long the same announcement could be made again.
    """

    person: PrincipalId | None
    mark: bytes
    digest: bytes
    until: datetime


def usable_groups(names: Iterable[object], *, prefix: str = "") -> frozenset[GroupName]:
    """Return the names that can be groups here; others are left out, and so grant nothing.

    Raises:
        InvalidError: more than ``MAX_GROUPS``.
    """
    found = set()
    for name in names:
        if isinstance(name, str) and not name.startswith(RESERVED_GROUPS):
            given = prefix + name
            if GroupName.pattern.fullmatch(given) and not given.startswith(RESERVED_GROUPS):
                found.add(GroupName(given))
    if len(found) > MAX_GROUPS:
        raise InvalidError(f"an account is in at most {MAX_GROUPS} groups; this one has more")
    return frozenset(found)


def usable_display(*names: object) -> str:
    """Return the first that can be shown on one line, shortened; empty when none can."""
    for name in names:
        if isinstance(name, str) and name.strip() and name.isprintable():
            return name.strip()[:MAX_DISPLAY]
    return ""
