"""Names with a grammar: grants, targets, users.

Here: string types that refuse to exist unless well formed. Not here: making new identifiers; that
takes randomness and time, so it is a port.

Invariants: a ``GrantId`` is safe inside an SQL identifier, a file name and a URL; every identifier
is ASCII, so no look-alike letter or control character passes.
"""

from __future__ import annotations

import re
from typing import ClassVar, Self

from protem.domain.errors import InvalidError

MARK = "protem_"
"""What every privilege made by Protem is called at its target, before the grant's id (law 1)."""


class _Identifier(str):
    """A string that matches its class's ``pattern``."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]]
    what: ClassVar[str]

    def __new__(cls, text: str) -> Self:
        if cls.pattern.fullmatch(text) is None:
            shown = ascii(text)[:80]
            raise InvalidError(f"{shown} is not a valid {cls.what}")
        return super().__new__(cls, text)


class GrantId(_Identifier):
    """26 lower-case Crockford base-32 digits of a ULID: sortable by time, safe everywhere.

    A request and the grant that it may become share this one id, from asking to proof.
    """

    __slots__ = ()
    pattern = re.compile(r"[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}")
    what = "grant id (26 lower-case letters and digits)"

    @property
    def name_at_target(self) -> str:
        """The name of this grant's privilege at its target."""
        return MARK + self


class TargetName(_Identifier):
    """``orders-db``: how the catalogue and people call a target."""

    __slots__ = ()
    pattern = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
    what = "target name (lower-case letters, digits, dots and dashes, at most 63)"


class ProfileName(_Identifier):
    """``read-only``: a scope that an administrator named."""

    __slots__ = ()
    pattern = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
    what = "profile name (lower-case letters, digits and dashes, at most 63)"


class GroupName(_Identifier):
    """``db-owners``: a group of people, as policy names it."""

    __slots__ = ()
    pattern = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
    what = "group name"


class DirectoryName(_Identifier):
    """``okta``: what the settings call a directory that provisions people."""

    __slots__ = ()
    pattern = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
    what = "directory name (lower-case letters, digits and dashes, at most 63)"


class DirectoryId(_Identifier):
    """How we call a user or group of a directory towards it: the form of a ``GrantId``."""

    __slots__ = ()
    pattern = GrantId.pattern
    what = "directory id (26 lower-case letters and digits)"
