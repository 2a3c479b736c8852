"""The store as a port: whole transactions over narrow sets of records.

Work is handed over as one function of a ``Transaction``: it runs to completion on the store's own
thread, sees a consistent state, and is durable when ``write`` returns. It must not wait, must not
keep the transaction, and may be run again after a failed commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from protem.domain.approvals import Approval
from protem.domain.audit_events import AuditEvent
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId, GroupName, TargetName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.trusted_time import ClockReading
from protem.ports.answer_link_records import AnswerLinkRecords
from protem.ports.approver_key_records import ApproverKeyRecords
from protem.ports.directory_records import DirectoryGroupRecords, DirectoryUserRecords
from protem.ports.glass_records import GlassCodeRecords, GlassRecords
from protem.ports.message_records import MessageRecords
from protem.ports.notice_records import NoticeRecords
from protem.ports.review_records import (
    CommentRecords,
    DelegationRecords,
    OfferRecords,
    OncallRecords,
)
from protem.ports.session_records import DeviceRecords, SessionRecords, SpentProofRecords

T = TypeVar("T")


class GrantRecords(Protocol):
    """Grants, one row each."""

    def get(self, grant_id: GrantId) -> Grant:
        """Return the grant.

        Raises:
            NotFoundError: when there is none.
        """
        ...

    def add(self, grant: Grant) -> None:
        """Insert a new grant: pending, at version 1.

        Raises:
            ConflictError: when the id exists, or the grant is further on in its life.
        """
        ...

    def save(self, grant: Grant) -> None:
        """Write ``grant`` over the row of the version before it.

        Raises:
            ConflictError: when the stored version is not ``grant.version - 1``, or the change of
                state is not an edge of the life cycle.
        """
        ...

    def list(
        self,
        *,
        states: Sequence[GrantState] = (),
        principal: PrincipalId | None = None,
        target: TargetName | None = None,
        before: GrantId | None = None,
        limit: int = 100,
    ) -> Sequence[Grant]:
        """Return grants that match, newest first; empty ``states`` means any."""
        ...


class WorkRecords(Protocol):
    """Who is working on what is due: leases over grants, apart from their versions.

    A lease is the exclusive right to touch the target for one grant until it runs out.
    """

    def claim(
        self,
        *,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        except_at: Sequence[TargetName] = (),
    ) -> Sequence[Grant]:
        """Lease up to ``limit`` grants that are due and that nobody leases; oldest first.

        Those at the targets ``except_at`` are left alone.
        """
        ...

    def due(self, *, now: datetime, limit: int, skip: int = 0) -> Sequence[Grant]:
        """Return grants that are due, leased or not, oldest first; changes nothing."""
        ...

    def take(self, grant_id: GrantId, *, now: datetime, until: datetime, owner: str) -> bool:
        """Lease one grant that nobody leases, we neither; say whether it is ours now."""
        ...

    def renew(self, grant_id: GrantId, *, until: datetime, owner: str) -> bool:
        """Prolong a lease that nobody took over, even if it ran out; say whether it is ours."""
        ...

    def release(self, grant_id: GrantId, *, owner: str) -> bool:
        """Give a lease back; say whether it was still ours."""
        ...

    def leased(self) -> Sequence[tuple[Grant, datetime]]:
        """Return every grant that is leased, with the end of its lease, passed or not."""
        ...

    def release_all(self) -> None:
        """Forget every lease: for when no process is left that could hold one."""
        ...

    def next_due(self) -> datetime | None:
        """Return the earliest moment at which ``claim`` could find something, or None.

        That is the earliest ``due_at``, where a leased grant counts from the end of its lease, so
        that an owner that died is noticed.
        """
        ...


class RequestRecords(Protocol):
    """Immutable revisions."""

    def add(self, revision: RequestRevision) -> None:
        """Insert a revision of a grant that is stored already.

        Raises:
            ConflictError: when that number exists, or the grant does not.
        """
        ...

    def get(self, grant_id: GrantId, number: int) -> RequestRevision:
        """Return one revision.

        Raises:
            NotFoundError: when there is none.
        """
        ...

    def latest_number(self, grant_id: GrantId) -> int:
        """Return the highest revision number of the grant, 0 when there is none."""
        ...


class ApprovalRecords(Protocol):
    """Verdicts, one per reviewer and revision."""

    def add(self, approval: Approval) -> None:
        """Insert a verdict.

        Raises:
            ConflictError: when this person has given one on this revision, or is the requester, or
                when the digest is not that of the stored revision.
        """
        ...

    def of(self, grant_id: GrantId, revision: int) -> Sequence[Approval]:
        """Return the verdicts on one revision, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A stored log entry: its place and the exact bytes that are hashed."""

    index: int
    body: bytes


class AuditRecords(Protocol):
    """The log's entries, in order, without gaps."""

    def append(self, event: AuditEvent) -> int:
        """Add the event and return its index, counting from 0."""
        ...

    def entries(self, *, start: int, limit: int) -> Sequence[AuditEntry]:
        """Return entries from index ``start``, in order."""
        ...

    def size(self) -> int:
        """Return how many entries there are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: the principal, and whether it may sign in.

    Attributes:
        manager: whom the directory or the settings name as this person's manager.
    """

    principal: Principal
    disabled: bool = False
    manager: PrincipalId | None = None


class AccountRecords(Protocol):
    """Local accounts, groups and hashed tokens."""

    def get(self, principal_id: PrincipalId) -> Account:
        """Return the account.

        Raises:
            NotFoundError: when there is none.
        """
        ...

    def put(self, account: Account) -> None:
        """Insert or replace the account and its groups."""
        ...

    def list(self) -> Sequence[Account]:
        """Return all accounts, by subject."""
        ...

    def agents_of(self, person: PrincipalId) -> Sequence[Account]:
        """Return the accounts of agents that act for a person, by id."""
        ...

    def add_token(
        self,
        *,
        token_hash: bytes,
        owner: PrincipalId,
        expires_at: datetime,
        single_use: bool,
    ) -> None:
        """Keep the SHA-256 of a token; the token itself is never stored."""
        ...

    def owner_of(self, token_hash: bytes, *, now: datetime, single_use: bool) -> PrincipalId:
        """Return whose valid token this is; a single-use one is used up by this.

        Raises:
            UnauthenticatedError: unknown, expired, used up, or of the other kind.
        """
        ...

    def drop_tokens(self, owner: PrincipalId) -> int:
        """Forget all tokens of an account; return how many there were."""
        ...

    def drop_token(self, token_hash: bytes) -> None:
        """Forget one token; harmless when unknown."""
        ...

    def members(self, group: GroupName) -> Sequence[Principal]:
        """Return the enabled members of a group."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedAnswer:
    """What was answered to an idempotency key."""

    fingerprint: str
    status: int
    body: bytes


class IdempotencyRecords(Protocol):
    """Answers by principal and key, for writes that may be sent twice."""

    def get(self, principal: PrincipalId, key: str) -> RememberedAnswer | None:
        """Return the remembered answer, if any."""
        ...

    def put(self, principal: PrincipalId, key: str, answer: RememberedAnswer, at: datetime) -> None:
        """Remember an answer.

        Raises:
            ConflictError: when the key is taken.
        """
        ...

    def forget_before(self, moment: datetime) -> int:
        """Drop answers older than ``moment``; return how many."""
        ...


class ClockRecords(Protocol):
    """The marks that keep trusted time from going back over restarts: one for each boot."""

    def marks(self) -> Sequence[ClockReading]:
        """Return one mark for each boot that is remembered, the latest moment first."""
        ...

    def put(self, mark: ClockReading) -> None:
        """Keep ``mark`` for its boot unless a later one of that boot is kept already."""
        ...

    def forget_but(self, newest: int) -> None:
        """Forget all but the marks of so many boots: those with the latest moments."""
        ...

    def reset(self, mark: ClockReading) -> None:
        """Keep ``mark`` and no other: a person vouches for it."""
        ...


class Transaction(Protocol):
    """One consistent view; inside ``Store.write`` it can also change it."""

    @property
    def grants(self) -> GrantRecords: ...  # noqa: D102  # named by their types
    @property
    def work(self) -> WorkRecords: ...  # noqa: D102
    @property
    def requests(self) -> RequestRecords: ...  # noqa: D102
    @property
    def approvals(self) -> ApprovalRecords: ...  # noqa: D102
    @property
    def audit(self) -> AuditRecords: ...  # noqa: D102
    @property
    def accounts(self) -> AccountRecords: ...  # noqa: D102
    @property
    def idempotency(self) -> IdempotencyRecords: ...  # noqa: D102
    @property
    def clock(self) -> ClockRecords: ...  # noqa: D102
    @property
    def sessions(self) -> SessionRecords: ...  # noqa: D102
    @property
    def devices(self) -> DeviceRecords: ...  # noqa: D102
    @property
    def spent_proofs(self) -> SpentProofRecords: ...  # noqa: D102

    @property
    def glass(self) -> GlassRecords: ...  # noqa: D102

    @property
    def glass_codes(self) -> GlassCodeRecords: ...  # noqa: D102
    @property
    def directory_users(self) -> DirectoryUserRecords: ...  # noqa: D102
    @property
    def directory_groups(self) -> DirectoryGroupRecords: ...  # noqa: D102
    @property
    def offers(self) -> OfferRecords: ...  # noqa: D102
    @property
    def comments(self) -> CommentRecords: ...  # noqa: D102
    @property
    def delegations(self) -> DelegationRecords: ...  # noqa: D102
    @property
    def oncall(self) -> OncallRecords: ...  # noqa: D102
    @property
    def messages(self) -> MessageRecords: ...  # noqa: D102

    @property
    def notices(self) -> NoticeRecords: ...  # noqa: D102
    @property
    def answer_links(self) -> AnswerLinkRecords: ...  # noqa: D102
    @property
    def approver_keys(self) -> ApproverKeyRecords: ...  # noqa: D102


class Store(Protocol):
    """Runs work in transactions."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` and commit durably; an exception from ``work`` rolls all of it back.

        Raises:
            AuditUnavailableError: it could not be made durable, or not in time; in the second case
                it may yet be.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a consistent snapshot; writing in it is an error."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        ...
