"""Where privileges are made: a target, its labels, its profiles.

Here: the catalogue's values as the inside sees them. Not here: addresses and administrative
credentials; those stay in settings and reach only the connector.

Invariants: a target is known by its name; its scheme chooses connector and planner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protem.domain.identifiers import ProfileName, TargetName
from protem.domain.scopes import Privilege, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A mark such as ``pii`` on a part of a target.

    ``path`` and ``part`` match privileges of the same path; ``part`` None marks the whole object.
    """

    name: str
    path: tuple[str, ...]
    part: str | None = None

    def marks(self, privilege: Privilege) -> bool:
        """Say whether holding ``privilege`` touches what this tag marks."""
        overlaps = self.part is None or privilege.part in (None, self.part)
        return overlaps and privilege.path == self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One declared target.

    Attributes:
        labels: facts for policy, such as ``env``, ``tier``, ``service`` and ``owner``.
        tags: marks on tables and columns, such as ``pii``.
        profiles: scopes by name for sessions whose command is not known yet.
        credential_hints: what a client must know to make its credential, such as
            ``scram_iterations``.
        own_logins: accounts there that Protem itself uses; nobody's standing privileges.
    """

    name: TargetName
    scheme: str
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[Tag, ...] = ()
    profiles: Mapping[ProfileName, Scope] = field(default_factory=dict)
    credential_hints: Mapping[str, int] = field(default_factory=dict)
    own_logins: frozenset[str] = frozenset()
