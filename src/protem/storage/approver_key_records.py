"""Approvers' keys in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from protem.domain.approver_keys import ApproverKey, KeyChallenge, KeyKind
from protem.domain.errors import ExpiredError, NotFoundError
from protem.domain.principals import PrincipalId
from protem.storage import approver_key_tables as tables
from protem.storage.moments import from_moment, from_optional, to_moment, to_optional
from protem.storage.session import Row, Session


class ApproverKeyTable:
    """``ApproverKeyRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, key_id: str) -> ApproverKey:
        """Return the key, or raise ``NotFoundError``."""
        row = self._session.row(tables.KEY_GET, {"id": key_id})
        if row is None:
            raise NotFoundError("there is no such key")
        return _key(row)

    def put(self, key: ApproverKey) -> None:
        """Insert or change it, or raise ``ConflictError``."""
        changeable: dict[str, Any] = {
            "name": key.name,
            "added_at": from_moment(key.added_at),
            "removed_at": from_optional(key.removed_at),
            "declared": int(key.declared),
            "sign_count": key.sign_count,
        }
        fixed = {"key_id": key.id, "key_owner": str(key.owner), "key_text": key.public_key}
        if self._session.change(tables.KEY_CHANGE, {**changeable, **fixed}):
            return
        values = {
            "id": key.id,
            "owner": str(key.owner),
            "kind": key.kind,
            "public_key": key.public_key,
        }
        self._session.change(tables.KEY_ADD, {**values, **changeable})

    def of(self, owner: PrincipalId) -> Sequence[ApproverKey]:
        """Return a person's keys, oldest first."""
        return tuple(map(_key, self._session.rows(tables.KEYS_OF, {"owner": str(owner)})))

    def declared(self) -> Sequence[ApproverKey]:
        """Return the settings file's keys."""
        return tuple(map(_key, self._session.rows(tables.KEYS_DECLARED, {})))

    def put_challenge(self, challenge: KeyChallenge) -> None:
        """Keep a challenge in place of the earlier one."""
        values = {
            "owner": str(challenge.owner),
            "kind": challenge.kind,
            "text": challenge.text,
            "expires_at": from_moment(challenge.expires_at),
        }
        self._session.change(tables.CHALLENGE_PUT, values)

    def take_challenge(self, owner: PrincipalId, kind: KeyKind, *, now: datetime) -> KeyChallenge:
        """Return the challenge and forget it, or raise ``ExpiredError``."""
        self._session.check_writable()
        whose = {"owner": str(owner), "kind": kind}
        row = self._session.row(tables.CHALLENGE_GET, whose)
        if row is None or row[3] <= from_moment(now):
            raise ExpiredError("no challenge waits for this key, or no longer; begin anew")
        self._session.change(tables.CHALLENGE_DROP, whose)
        return KeyChallenge(owner=owner, kind=kind, text=row[2], expires_at=to_moment(row[3]))


def _key(row: Row) -> ApproverKey:
    key_id, owner, kind, public_key, name, added_at, removed_at, declared, sign_count = row
    return ApproverKey(
        id=key_id,
        owner=PrincipalId.parse(owner),
        kind=KeyKind(kind),
        public_key=public_key,
        name=name,
        added_at=to_moment(added_at),
        removed_at=to_optional(removed_at),
        declared=bool(declared),
        sign_count=sign_count,
    )
