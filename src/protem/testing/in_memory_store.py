"""The store in dictionaries: the same promises, minus durability.

Here: every record set of ``ports.store``, with the refusals that the real store has in SQL. Not
here: the clock, threads or files; work runs at once, so nothing ever interleaves.

Invariants: an exception from ``work`` leaves no trace; a read cannot write; the contract suite of
``store_contract`` holds for this and for the real store alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from protem.domain.approvals import Approval
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import (
    AuditUnavailableError,
    ConflictError,
    NotFoundError,
    ProtemError,
)
from protem.domain.grants import EDGES, TERMINAL, Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.ports.store import AuditEntry, Transaction
from protem.testing.grant_row_rules import check_row, check_unmoved
from protem.testing.in_memory_account_records import (
    InMemoryAccounts,
    InMemoryClock,
    InMemoryIdempotency,
)
from protem.testing.in_memory_answer_links import InMemoryAnswerLinks
from protem.testing.in_memory_approver_key_records import InMemoryApproverKeys
from protem.testing.in_memory_directory_records import (
    InMemoryDirectoryGroups,
    InMemoryDirectoryUsers,
)
from protem.testing.in_memory_glass_records import InMemoryGlass, InMemoryGlassCodes
from protem.testing.in_memory_message_records import InMemoryMessages
from protem.testing.in_memory_notice_records import InMemoryNotices
from protem.testing.in_memory_review_records import (
    InMemoryComments,
    InMemoryDelegations,
    InMemoryOffers,
    InMemoryOncall,
)
from protem.testing.in_memory_session_records import (
    InMemoryDevices,
    InMemorySessions,
    InMemorySpentProofs,
)
from protem.testing.in_memory_tables import Access, Lease, Records, Tables

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


class _Transaction(Access):
    def __init__(self, tables: Tables, *, writable: bool) -> None:
        super().__init__(tables, writable=writable)
        self.grants = _Grants(self)
        self.work = _Work(self)
        self.requests = _Requests(self)
        self.approvals = _Approvals(self)
        self.audit = _Audit(self)
        self.accounts = InMemoryAccounts(self)
        self.idempotency = InMemoryIdempotency(self)
        self.clock = InMemoryClock(self)
        self.sessions = InMemorySessions(self)
        self.devices = InMemoryDevices(self)
        self.spent_proofs = InMemorySpentProofs(self)
        self.glass = InMemoryGlass(self)
        self.glass_codes = InMemoryGlassCodes(self)
        self.directory_users = InMemoryDirectoryUsers(self)
        self.directory_groups = InMemoryDirectoryGroups(self)
        self.offers = InMemoryOffers(self)
        self.comments = InMemoryComments(self)
        self.delegations = InMemoryDelegations(self)
        self.oncall = InMemoryOncall(self)
        self.approver_keys = InMemoryApproverKeys(self)
        self.messages = InMemoryMessages(self)
        self.notices = InMemoryNotices(self)
        self.answer_links = InMemoryAnswerLinks(self)


class _Grants(Records):
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


class _Work(Records):
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


class _Requests(Records):
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


class _Approvals(Records):
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


class _Audit(Records):
    def append(self, event: AuditEvent) -> int:
        entries = self._transaction.changeable.entries
        entries.append(event.canonical_bytes())
        return len(entries) - 1

    def entries(self, *, start: int, limit: int) -> Sequence[AuditEntry]:
        bodies = self._transaction.readable.entries[start : start + limit]
        return tuple(AuditEntry(index=at, body=body) for at, body in enumerate(bodies, start))

    def size(self) -> int:
        return len(self._transaction.readable.entries)
