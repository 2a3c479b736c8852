"""Accounts, tokens and remembered answers, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.ports.store import Account, RememberedAnswer
from protem.storage import statements
from protem.storage.moments import from_moment
from protem.storage.session import Row, Session


class AccountTable:
    """``AccountRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, principal_id: PrincipalId) -> Account:
        """Return the account, or raise ``NotFoundError``."""
        row = self._session.row(statements.ACCOUNT_GET, {"id": str(principal_id)})
        if row is None:
            raise NotFoundError(f"there is no account {principal_id}")
        return self._account(row)

    def put(self, account: Account) -> None:
        """Insert or replace the account and its groups."""
        principal = account.principal
        name = str(principal.id)
        values = {
            "id": name,
            "subject": principal.id.subject,
            "display": principal.display,
            "kind": principal.kind,
            "acts_for": None if principal.acts_for is None else str(principal.acts_for),
            "disabled": int(account.disabled),
            "manager": None if account.manager is None else str(account.manager),
        }
        if not self._session.change(statements.ACCOUNT_CHANGE, {**values, "account": name}):
            self._session.change(statements.ACCOUNT_ADD, values)
        self._session.change(statements.GROUPS_DROP, {"account": name})
        for group in sorted(principal.groups):
            self._session.change(statements.GROUP_ADD, {"account": name, "name": group})

    def list(self) -> Sequence[Account]:
        """Return all accounts, by subject."""
        return tuple(map(self._account, self._session.rows(statements.ACCOUNT_LIST, {})))

    def add_token(
        self, *, token_hash: bytes, owner: PrincipalId, expires_at: datetime, single_use: bool
    ) -> None:
        """Keep the hash, or raise ``ConflictError`` when it is kept already."""
        values = {
            "hash": token_hash,
            "owner": str(owner),
            "expires_at": from_moment(expires_at),
            "single_use": int(single_use),
        }
        self._session.change(statements.TOKEN_ADD, values)

    def owner_of(self, token_hash: bytes, *, now: datetime, single_use: bool) -> PrincipalId:
        """Return whose token this is; use it up if it is of that kind."""
        if single_use:
            self._session.check_writable()
        row = self._session.row(statements.TOKEN_GET, {"hash": token_hash})
        if row is None or bool(row[3]) is not single_use or row[2] <= from_moment(now):
            raise UnauthenticatedError("the token is unknown, expired or used up; log in again")
        if single_use:
            self._session.change(statements.TOKEN_DROP, {"hash": token_hash})
        return PrincipalId.parse(row[1])

    def drop_tokens(self, owner: PrincipalId) -> int:
        """Forget all tokens of an account."""
        return self._session.change(statements.TOKENS_DROP, {"owner": str(owner)})

    def drop_token(self, token_hash: bytes) -> None:
        """Forget one token."""
        self._session.change(statements.TOKEN_DROP, {"hash": token_hash})

    def members(self, group: GroupName) -> Sequence[Principal]:
        """Return the enabled members of a group."""
        rows = self._session.rows(statements.ACCOUNT_MEMBERS, {"name": group})
        return tuple(self._account(row).principal for row in rows)

    def _account(self, row: Row) -> Account:
        name, _, display, kind, acts_for, disabled, manager = row
        groups = self._session.rows(statements.GROUPS_GET, {"account": name})
        principal = Principal(
            id=PrincipalId.parse(name),
            display=display,
            kind=PrincipalKind(kind),
            groups=frozenset(GroupName(group) for (group,) in groups),
            acts_for=None if acts_for is None else PrincipalId.parse(acts_for),
        )
        return Account(
            principal=principal,
            disabled=bool(disabled),
            manager=None if manager is None else PrincipalId.parse(manager),
        )


class IdempotencyTable:
    """``IdempotencyRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, principal: PrincipalId, key: str) -> RememberedAnswer | None:
        """Return the remembered answer, if any."""
        parameters = {"principal": str(principal), "key": key}
        row = self._session.row(statements.ANSWER_GET, parameters)
        if row is None:
            return None
        _, _, fingerprint, status, body, _ = row
        return RememberedAnswer(fingerprint=fingerprint, status=status, body=body)

    def put(self, principal: PrincipalId, key: str, answer: RememberedAnswer, at: datetime) -> None:
        """Remember an answer, or raise ``ConflictError`` when the key is taken."""
        values = {
            "principal": str(principal),
            "key": key,
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "body": answer.body,
            "at": from_moment(at),
        }
        self._session.change(statements.ANSWER_ADD, values)

    def forget_before(self, moment: datetime) -> int:
        """Drop answers older than ``moment``."""
        return self._session.change(statements.ANSWERS_FORGET, {"moment": from_moment(moment)})
