"""Accounts, tokens, remembered answers and the clock's marks, in dictionaries.

Here: these records with the refusals of the real ones, whose ports say what each method does. Not
here: the store that hands them out (``in_memory_store``).
"""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from protem.domain.errors import ConflictError, NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.trusted_time import ClockReading
from protem.ports.store import Account, RememberedAnswer
from protem.testing.in_memory_tables import Records, Token


class InMemoryAccounts(Records):
    """Local accounts, groups and hashed tokens."""

    def get(self, principal_id: PrincipalId) -> Account:
        found = self._transaction.readable.accounts.get(principal_id)
        if found is None:
            raise NotFoundError(f"there is no account {principal_id}")
        return found

    def put(self, account: Account) -> None:
        self._transaction.changeable.accounts[account.principal.id] = account

    def list(self) -> Sequence[Account]:
        accounts = self._transaction.readable.accounts.values()
        return tuple(
            sorted(accounts, key=lambda a: (a.principal.id.subject, a.principal.id.issuer))
        )

    def agents_of(self, person: PrincipalId) -> Sequence[Account]:
        accounts = self._transaction.readable.accounts.values()
        theirs = (account for account in accounts if account.principal.acts_for == person)
        return tuple(sorted(theirs, key=lambda account: str(account.principal.id)))

    def add_token(
        self, *, token_hash: bytes, owner: PrincipalId, expires_at: datetime, single_use: bool
    ) -> None:
        tables = self._transaction.changeable
        if owner not in tables.accounts or token_hash in tables.tokens:
            raise ConflictError("the token is stored already, or its account is not")
        tables.tokens[token_hash] = Token(owner=owner, expires_at=expires_at, single_use=single_use)

    def owner_of(self, token_hash: bytes, *, now: datetime, single_use: bool) -> PrincipalId:
        tables = self._transaction.changeable if single_use else self._transaction.readable
        token = tables.tokens.get(token_hash)
        if token is None or token.single_use is not single_use or token.expires_at <= now:
            raise UnauthenticatedError("the token is unknown, expired or used up; log in again")
        if single_use:
            del tables.tokens[token_hash]
        return token.owner

    def drop_tokens(self, owner: PrincipalId) -> int:
        tokens = self._transaction.changeable.tokens
        theirs = [token_hash for token_hash, token in tokens.items() if token.owner == owner]
        for token_hash in theirs:
            del tokens[token_hash]
        return len(theirs)

    def drop_token(self, token_hash: bytes) -> None:
        self._transaction.changeable.tokens.pop(token_hash, None)

    def members(self, group: GroupName) -> Sequence[Principal]:
        return tuple(
            account.principal
            for account in self.list()
            if group in account.principal.groups and not account.disabled
        )


class InMemoryClock(Records):
    """The clock's marks."""

    def marks(self) -> Sequence[ClockReading]:
        every = self._transaction.readable.clock_marks.values()
        by_boot = sorted(every, key=lambda mark: mark.boot)
        return sorted(by_boot, key=lambda mark: mark.moment, reverse=True)

    def put(self, mark: ClockReading) -> None:
        kept = self._transaction.readable.clock_marks.get(mark.boot, mark)
        if kept.moment <= mark.moment:
            self._transaction.changeable.clock_marks[mark.boot] = mark

    def forget_but(self, newest: int) -> None:
        kept = {mark.boot: mark for mark in self.marks()[:newest]}
        self._transaction.changeable.clock_marks = kept

    def reset(self, mark: ClockReading) -> None:
        self.forget_but(0)
        self.put(mark)


class InMemoryIdempotency(Records):
    """Remembered answers."""

    def get(self, principal: PrincipalId, key: str) -> RememberedAnswer | None:
        found = self._transaction.readable.answers.get((principal, key))
        return None if found is None else found[0]

    def put(self, principal: PrincipalId, key: str, answer: RememberedAnswer, at: datetime) -> None:
        answers = self._transaction.changeable.answers
        if (principal, key) in answers:
            raise ConflictError("this idempotency key is taken")
        answers[principal, key] = (replace(answer), at)

    def forget_before(self, moment: datetime) -> int:
        answers = self._transaction.changeable.answers
        old = [place for place, (_, at) in answers.items() if at < moment]
        for place in old:
            del answers[place]
        return len(old)
