"""The store in dictionaries: the same promises, minus durability.

Here: every record set of ``ports.store``, with the refusals that the real store has in SQL. Not
here: the clock, threads or files; work runs at once, so nothing ever interleaves.

Invariants: an exception from ``work`` leaves no trace; a read cannot write; the contract suite of
``store_contract`` holds for this and for the real store alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from protem.domain.approvals import Approval
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import (
    AuditUnavailableError,
    ConflictError,
    InvalidError,
    NotFoundError,
    ProtemError,
    UnauthenticatedError,
)
from protem.domain.grants import EDGES, TERMINAL, Grant, GrantState
from protem.domain.identifiers import GrantId, GroupName, TargetName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.trusted_time import ClockReading
from protem.ports.store import Account, AuditEntry, RememberedAnswer, Transaction
from protem.testing.grant_row_rules import check_row, check_unmoved
from protem.testing.in_memory_tables import Lease, Tables, Token

T = TypeVar("T")


class InMemoryStore:
    """A ``Store`` for tests.

    Attributes:
        failure: when set, every write raises it and changes nothing, as a full disk would.
        read_failure: when set, every read raises it, as a lost disk would.
    """

    def __init__(self) -> None:
        self.failure: ProtemError | None = None
        self.read_failure: ProtemError | None = None
        self._tables = Tables()
        self._closed = False

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work``; keep its changes unless it raises."""
        self._check_open()
        if self.failure is not None:
            raise self.failure
        tables = self._tables.copy()
        transaction = _Transaction(tables, writable=True)
        try:
            result = work(transaction)
        finally:
            transaction.close()
        self._tables = tables
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on what is there now."""
        self._check_open()
        if self.read_failure is not None:
            raise self.read_failure
        transaction = _Transaction(self._tables, writable=False)
        try:
            return work(transaction)
        finally:
            transaction.close()

    async def close(self) -> None:
        """Refuse everything from now on; harmless twice."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise AuditUnavailableError("the store is closed")


class _Transaction:
    def __init__(self, tables: Tables, *, writable: bool) -> None:
        self._tables = tables
        self._writable = writable
        self.grants = _Grants(self)
        self.work = _Work(self)
        self.requests = _Requests(self)
        self.approvals = _Approvals(self)
        self.audit = _Audit(self)
        self.accounts = _Accounts(self)
        self.idempotency = _Idempotency(self)
        self.clock = _Clock(self)

    def close(self) -> None:
        self._tables = Tables()
        self._writable = False

    @property
    def readable(self) -> Tables:
        return self._tables

    @property
    def changeable(self) -> Tables:
        if not self._writable:
            raise InvalidError("this transaction only reads; change things in Store.write")
        return self._tables


class _Records:
    def __init__(self, transaction: _Transaction) -> None:
        self._transaction = transaction


class _Grants(_Records):
    def get(self, grant_id: GrantId) -> Grant:
        found = self._transaction.readable.grants.get(grant_id)
        if found is None:
            raise NotFoundError(f"there is no grant {grant_id}")
        return found

    def add(self, grant: Grant) -> None:
        tables = self._transaction.changeable
        if grant.id in tables.grants:
            raise ConflictError(f"grant {grant.id} exists")
        if grant.version != 1 or grant.state is not GrantState.PENDING:
            raise ConflictError("a grant begins pending, at version 1")
        check_row(grant)
        tables.grants[grant.id] = grant

    def save(self, grant: Grant) -> None:
        tables = self._transaction.changeable
        stored = self.get(grant.id)
        if stored.version != grant.version - 1:
            raise ConflictError(f"grant {grant.id} changed; read it again")
        if stored.state in TERMINAL:
            raise ConflictError(f"grant {grant.id} is {stored.state}, for good")
        if grant.state is not stored.state and grant.state not in EDGES[stored.state]:
            raise ConflictError(f"grant {grant.id} cannot go from {stored.state} to {grant.state}")
        check_row(grant)
        check_unmoved(stored, grant)
        tables.grants[grant.id] = grant

    def list(
        self,
        *,
        states: Sequence[GrantState] = (),
        principal: PrincipalId | None = None,
        target: TargetName | None = None,
        before: GrantId | None = None,
        limit: int = 100,
    ) -> Sequence[Grant]:
        matching = [
            grant
            for grant in self._transaction.readable.grants.values()
            if (not states or grant.state in states)
            and principal in (None, grant.principal)
            and target in (None, grant.target)
            and (before is None or grant.id < before)
        ]
        return tuple(sorted(matching, key=lambda grant: grant.id, reverse=True)[:limit])


class _Work(_Records):
    def claim(
        self,
        *,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        except_at: Sequence[TargetName] = (),
    ) -> Sequence[Grant]:
        tables = self._transaction.changeable
        due = [
            (grant.due_at, grant.id, grant)
            for grant in tables.grants.values()
            if grant.due_at is not None
            and grant.due_at <= now
            and grant.target not in except_at
            and not _is_leased(tables.leases.get(grant.id), now)
        ]
        claimed = tuple(grant for _, _, grant in sorted(due, key=lambda row: row[:2])[:limit])
        for grant in claimed:
            tables.leases[grant.id] = Lease(owner=owner, until=until)
        return claimed

    def due(self, *, now: datetime, limit: int, skip: int = 0) -> Sequence[Grant]:
        due = [
            (grant.due_at, grant.id, grant)
            for grant in self._transaction.readable.grants.values()
            if grant.due_at is not None and grant.due_at <= now
        ]
        ordered = sorted(due, key=lambda row: row[:2])
        return tuple(grant for _, _, grant in ordered[skip : skip + limit])

    def take(self, grant_id: GrantId, *, now: datetime, until: datetime, owner: str) -> bool:
        tables = self._transaction.changeable
        if _is_leased(tables.leases.get(grant_id), now) or grant_id not in tables.grants:
            return False
        tables.leases[grant_id] = Lease(owner=owner, until=until)
        return True

    def renew(self, grant_id: GrantId, *, until: datetime, owner: str) -> bool:
        leases = self._transaction.changeable.leases
        if not self._is_ours(grant_id, owner):
            return False
        leases[grant_id] = Lease(owner=owner, until=until)
        return True

    def release(self, grant_id: GrantId, *, owner: str) -> bool:
        leases = self._transaction.changeable.leases
        if not self._is_ours(grant_id, owner):
            return False
        del leases[grant_id]
        return True

    def leased(self) -> Sequence[tuple[Grant, datetime]]:
        tables = self._transaction.readable
        return tuple(
            (tables.grants[grant_id], lease.until) for grant_id, lease in tables.leases.items()
        )

    def release_all(self) -> None:
        self._transaction.changeable.leases.clear()

    def _is_ours(self, grant_id: GrantId, owner: str) -> bool:
        lease = self._transaction.readable.leases.get(grant_id)
        return lease is not None and lease.owner == owner

    def next_due(self) -> datetime | None:
        tables = self._transaction.readable
        workable = []
        for grant in tables.grants.values():
            lease = tables.leases.get(grant.id)
            if grant.due_at is not None:
                workable.append(grant.due_at if lease is None else max(grant.due_at, lease.until))
        return min(workable, default=None)


def _is_leased(lease: Lease | None, now: datetime) -> bool:
    return lease is not None and lease.until > now


class _Requests(_Records):
    def add(self, revision: RequestRevision) -> None:
        tables = self._transaction.changeable
        if revision.grant_id not in tables.grants:
            raise ConflictError(f"there is no grant {revision.grant_id}; add it first")
        if (revision.grant_id, revision.number) in tables.revisions:
            raise ConflictError(f"revision {revision.number} of {revision.grant_id} exists")
        revision.canonical_bytes()
        tables.revisions[revision.grant_id, revision.number] = revision

    def get(self, grant_id: GrantId, number: int) -> RequestRevision:
        found = self._transaction.readable.revisions.get((grant_id, number))
        if found is None:
            raise NotFoundError(f"there is no revision {number} of {grant_id}")
        return found

    def latest_number(self, grant_id: GrantId) -> int:
        numbers = (n for owner, n in self._transaction.readable.revisions if owner == grant_id)
        return max(numbers, default=0)


class _Approvals(_Records):
    def add(self, approval: Approval) -> None:
        tables = self._transaction.changeable
        revision = tables.revisions.get((approval.grant_id, approval.revision))
        if revision is None or revision.digest != approval.digest:
            raise ConflictError("the approval is not of a stored revision's digest")
        if {approval.person, approval.reviewer} & {revision.person, revision.principal}:
            raise ConflictError("nobody reviews their own request")
        given = self.of(approval.grant_id, approval.revision)
        if any(
            approval.person == other.person or approval.reviewer == other.reviewer
            for other in given
        ):
            raise ConflictError("this reviewer has given a verdict on this revision")
        tables.approvals.append(approval)

    def of(self, grant_id: GrantId, revision: int) -> Sequence[Approval]:
        matching = [
            approval
            for approval in self._transaction.readable.approvals
            if approval.grant_id == grant_id and approval.revision == revision
        ]
        return tuple(sorted(matching, key=lambda approval: approval.at))


class _Audit(_Records):
    def append(self, event: AuditEvent) -> int:
        entries = self._transaction.changeable.entries
        entries.append(event.canonical_bytes())
        return len(entries) - 1

    def entries(self, *, start: int, limit: int) -> Sequence[AuditEntry]:
        bodies = self._transaction.readable.entries[start : start + limit]
        return tuple(AuditEntry(index=at, body=body) for at, body in enumerate(bodies, start))

    def size(self) -> int:
        return len(self._transaction.readable.entries)


class _Accounts(_Records):
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


class _Clock(_Records):
    def get(self) -> ClockReading | None:
        return self._transaction.readable.clock

    def put(self, mark: ClockReading) -> None:
        kept = self.get()
        if kept is None or kept.moment <= mark.moment:
            self.reset(mark)

    def reset(self, mark: ClockReading) -> None:
        self._transaction.changeable.clock = mark


class _Idempotency(_Records):
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
