"""How what Protem makes in a PostgreSQL cluster is called and labelled.

Here: role names, the comments that carry grant, target, database and deadline, lock keys. Not
here: any SQL.

Invariants:
- Roles belong to the whole cluster but their rights to one database: a scope role's name digests
  target and database too, so two targets on one cluster never share one.
- Every name is plain ASCII and at most 63 bytes, so the server never shortens it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from protem.domain import canonical_json
from protem.domain.errors import InvalidError
from protem.domain.identifiers import MARK, GrantId
from protem.domain.instants import format_instant, parse_instant
from protem.domain.scopes import Scope

SCOPE_MARK = MARK + "scope_"
"""No grant id begins with ``s``, so a scope role is never taken for a grant."""
_DIGEST_DIGITS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantMark:
    """The comment on a grant's role."""

    grant_id: GrantId
    target: str
    database: str
    scope_digest: str
    expires_at: datetime

    def to_comment(self) -> str:
        """Return the comment's text."""
        return canonical_json.encode(
            {
                "grant": self.grant_id,
                "target": self.target,
                "database": self.database,
                "scope": self.scope_digest,
                "expires": format_instant(self.expires_at),
            }
        ).decode()

    @classmethod
    def from_comment(cls, text: str | None) -> GrantMark | None:
        """Read ``to_comment`` back; None for anything else."""
        match _json(text):
            case {
                "grant": str(grant),
                "target": str(target),
                "database": str(database),
                "scope": str(scope),
                "expires": str(expires),
            }:
                try:
                    return cls(
                        grant_id=GrantId(grant),
                        target=target,
                        database=database,
                        scope_digest=scope,
                        expires_at=parse_instant(expires),
                    )
                except InvalidError:
                    return None
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeMark:
    """The comment on a scope role: the whole scope, so that a drift can be named offline."""

    target: str
    database: str
    scope: Scope
    scope_digest: str

    @property
    def role(self) -> str:
        """The scope role's name."""
        identity = canonical_json.encode(
            {"target": self.target, "database": self.database, "scope": self.scope_digest}
        )
        return SCOPE_MARK + hashlib.sha256(identity).hexdigest()[:_DIGEST_DIGITS]

    def to_comment(self) -> str:
        """Return the comment's text."""
        return canonical_json.encode(
            {"target": self.target, "database": self.database, "scope": self.scope.to_json()}
        ).decode()

    @classmethod
    def from_comment(cls, text: str | None) -> ScopeMark | None:
        """Read ``to_comment`` back; None for anything else."""
        match _json(text):
            case {"target": str(target), "database": str(database), "scope": list(rows)}:
                try:
                    scope = Scope.from_json(rows)
                    return cls(
                        target=target, database=database, scope=scope, scope_digest=scope.digest
                    )
                except InvalidError:
                    return None
            case _:
                return None


def grant_id_of(role: str) -> GrantId | None:
    """Return the grant that a role's name tells, or None."""
    try:
        return GrantId(role.removeprefix(MARK)) if role.startswith(MARK) else None
    except InvalidError:
        return None


def lock_key(name: str) -> int:
    """Return the advisory lock key (a signed 64-bit number) for ``name``."""
    return int.from_bytes(hashlib.sha256(b"protem:" + name.encode()).digest()[:8], signed=True)


GRANT_LOCK = lock_key("grants")
"""Serialises GRANT and REVOKE within a database: two at once on one table make the server fail."""


def _json(text: str | None) -> object:
    try:
        return json.loads(text or "")
    except ValueError:
        return None
