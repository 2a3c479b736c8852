"""The grant: an approved request in time, and the only ways its state may change.

Here: states, transitions as functions from grant to grant, and when a grant is next due. Not here:
storing, provisioning or ending anything; the reconciler acts on what it reads here.

Invariants:
- The states and edges are ``EDGES``; storage enforces the same ones in SQL.
- ``expires_at`` is absent before activation, absolute after, and only ``extend`` moves it (law 9).
- ``due_at`` is the next moment at which the reconciler must look; None only in terminal states.
- Every transition raises ``version`` by one; storage refuses a write that skips or repeats one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from protem.domain.errors import ConflictError, ExpiredError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.orders import MOST_CLOCK_SKEW, PublicHalf, Receipt, SignedOrder
from protem.domain.principals import PrincipalId


class GrantState(enum.StrEnum):
    """Where a grant is in its life."""

    PENDING = "pending"
    APPROVED = "approved"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    ENDING = "ending"
    STUCK = "stuck"
    ENDED = "ended"
    DENIED = "denied"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


_S = GrantState
EDGES: dict[GrantState, frozenset[GrantState]] = {
    _S.PENDING: frozenset({_S.APPROVED, _S.DENIED, _S.CANCELLED, _S.LAPSED}),
    _S.APPROVED: frozenset({_S.PENDING, _S.PROVISIONING, _S.DENIED, _S.CANCELLED, _S.LAPSED}),
    _S.PROVISIONING: frozenset({_S.ACTIVE, _S.ENDING}),
    _S.ACTIVE: frozenset({_S.ENDING}),
    _S.ENDING: frozenset({_S.ENDED, _S.STUCK}),
    _S.STUCK: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
    _S.DENIED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.LAPSED: frozenset(),
}
"""Allowed changes of state; a change within a state (an extension, a retry) is always one."""

LIVE = frozenset({_S.PROVISIONING, _S.ACTIVE, _S.ENDING, _S.STUCK})
"""States in which something may exist at the target."""
TERMINAL = frozenset(state for state, after in EDGES.items() if not after)
MAX_ERROR = 500
STUCK_AFTER_ATTEMPTS = 3
"""Failed tries to end before a grant is called stuck, which is loud; trying goes on for ever."""


class EndCause(enum.StrEnum):
    """Why a grant began to end."""

    EXPIRED = "expired"
    GIVEN_BACK = "given_back"
    REVOKED = "revoked"
    PROVISION_FAILED = "provision_failed"
    REMOVED_AT_TARGET = "removed_at_target"
    PRINCIPAL_DISABLED = "principal_disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One request's life.

    Attributes:
        revision: the revision in force.
        proposed_revision: an extension that waits for approval while this grant is active.
        lapses_at: when a request or an unused approval is given up.
        order: what the connector will be told, signed when it was decided.
        applied_until: the expiry that the target has been told; None until provisioned.
        unsettled_until: an attempt to provision whose outcome is unknown may take effect until
            then; the target refuses it afterwards.
        attempts: failed tries of the work that is due now.
    """

    id: GrantId
    version: int
    state: GrantState
    revision: int
    principal: PrincipalId
    target: TargetName
    duration: timedelta
    requested_at: datetime
    lapses_at: datetime
    due_at: datetime | None
    proposed_revision: int | None = None
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    applied_until: datetime | None = None
    provisioned_at: datetime | None = None
    ended_at: datetime | None = None
    end_cause: EndCause | None = None
    public_half: PublicHalf | None = None
    order: SignedOrder | None = None
    receipt: Receipt | None = None
    unsettled_until: datetime | None = None
    attempts: int = 0
    last_error: str = ""


def approve(grant: Grant, *, lapses_at: datetime) -> Grant:
    """Enough people, or policy alone, said yes: the grant waits to be used until ``lapses_at``."""
    return _move(grant, GrantState.APPROVED, lapses_at=lapses_at, due_at=lapses_at)


def reopen(grant: Grant, *, revision: int, duration: timedelta, lapses_at: datetime) -> Grant:
    """Put an edited request before its approvers again; earlier approvals are void."""
    if grant.state not in (GrantState.PENDING, GrantState.APPROVED):
        raise _not_from(grant, "edited")
    return replace(
        grant,
        version=grant.version + 1,
        state=GrantState.PENDING,
        revision=revision,
        duration=duration,
        lapses_at=lapses_at,
        due_at=lapses_at,
    )


def note(grant: Grant) -> Grant:
    """Something was said or offered that changes no state; only the version tells."""
    return replace(grant, version=grant.version + 1)


def deny(grant: Grant, *, at: datetime) -> Grant:
    """Say no, for good."""
    return _move(grant, GrantState.DENIED, due_at=None, ended_at=at)


def cancel(grant: Grant, *, at: datetime) -> Grant:
    """Withdraw a request, or an approval not yet used."""
    return _move(grant, GrantState.CANCELLED, due_at=None, ended_at=at)


def lapse(grant: Grant, *, at: datetime) -> Grant:
    """Give up a request that nobody answered, or an approval that nobody used."""
    return _move(grant, GrantState.LAPSED, due_at=None, ended_at=at)


def activate(grant: Grant, *, at: datetime, public_half: PublicHalf) -> Grant:
    """Start the clock: expiry becomes absolute, and the reconciler is due now (law 1).

    Raises:
        ExpiredError: when the approval has lapsed.
    """
    if grant.state is GrantState.APPROVED and at >= grant.lapses_at:
        raise ExpiredError(f"the approval of {grant.id} lapsed; ask again")
    return _move(
        grant,
        GrantState.PROVISIONING,
        due_at=at,
        activated_at=at,
        expires_at=at + grant.duration,
        public_half=public_half,
    )


def with_order(grant: Grant, order: SignedOrder) -> Grant:
    """Attach the signed order to a grant that is about to be stored; no version of its own.

    Raises:
        ConflictError: when the order is for another grant or moment.
    """
    if order.order.grant_id != grant.id or order.order.expires_at != grant.expires_at:
        raise ConflictError(f"the order does not fit grant {grant.id}")
    return replace(grant, order=order)


def provisioned(grant: Grant, *, at: datetime, receipt: Receipt, applied_until: datetime) -> Grant:
    """Record what the connector made; the next thing due is the end."""
    changes: dict[str, Any] = {
        "receipt": receipt,
        "applied_until": applied_until,
        "provisioned_at": at,
        "due_at": grant.expires_at,
    }
    if grant.state is GrantState.ACTIVE:
        return _same_state(grant, **changes)
    return _move(grant, GrantState.ACTIVE, **changes)


def extend(grant: Grant, *, at: datetime, revision: int, duration: timedelta) -> Grant:
    """Move the expiry of an active grant to activation + ``duration``; the target is told next.

    Raises:
        ExpiredError: at or after expiry.
        ConflictError: when not active, or when the new expiry is not later.
    """
    if grant.state is not GrantState.ACTIVE or grant.activated_at is None:
        raise _not_from(grant, "extended")
    if grant.expires_at is None or at >= grant.expires_at:
        raise ExpiredError(f"grant {grant.id} has expired; ask again")
    if duration <= grant.duration:
        raise ConflictError("an extension ends later than the grant does now")
    return _same_state(
        grant,
        revision=revision,
        proposed_revision=None,
        duration=duration,
        expires_at=grant.activated_at + duration,
        due_at=at,
    )


def propose_extension(grant: Grant, *, at: datetime, revision: int) -> Grant:
    """Keep a longer revision beside an active grant until people approve it."""
    if grant.state is not GrantState.ACTIVE:
        raise _not_from(grant, "extended")
    if grant.expires_at is None or at >= grant.expires_at:
        raise ExpiredError(f"grant {grant.id} has expired; ask again")
    return replace(grant, version=grant.version + 1, proposed_revision=revision)


def refuse_extension(grant: Grant) -> Grant:
    """Drop a proposed extension; the grant itself goes on to its own end."""
    return replace(grant, version=grant.version + 1, proposed_revision=None)


def begin_ending(grant: Grant, *, at: datetime, cause: EndCause) -> Grant:
    """Change the intent; the reconciler does the work (law 3)."""
    return _move(grant, GrantState.ENDING, due_at=at, end_cause=cause, proposed_revision=None)


def retry(
    grant: Grant, *, due_at: datetime, error: str, unsettled_until: datetime | None = None
) -> Grant:
    """Record a failed try; ending that fails too often becomes ``stuck``, and is tried for ever."""
    attempts = grant.attempts + 1
    changes: dict[str, Any] = {
        "due_at": due_at,
        "last_error": error[:MAX_ERROR],
        "attempts": attempts,
        "unsettled_until": _later(grant.unsettled_until, unsettled_until),
    }
    if grant.state is GrantState.ENDING and attempts >= STUCK_AFTER_ATTEMPTS:
        return replace(_move(grant, GrantState.STUCK), **changes)
    return replace(grant, version=grant.version + 1, **changes)


def unsettle(grant: Grant, *, until: datetime) -> Grant:
    """Record that an attempt to provision, of which nothing is known, may take effect by then."""
    return replace(
        grant,
        version=grant.version + 1,
        unsettled_until=_later(grant.unsettled_until, until),
    )


def may_be_under_way(grant: Grant) -> bool:
    """Say whether whoever leases the grant may have sent an order of which nothing is recorded.

    What the target was told is recorded under the lease that it was told under, so where the newest
    expiry is on record there was nothing to send.
    """
    return grant.state in LIVE and grant.applied_until != grant.expires_at


def settles_at(grant: Grant) -> datetime | None:
    """Return from when on nothing late can appear at the target, or None when nothing can."""
    return None if grant.unsettled_until is None else grant.unsettled_until + MOST_CLOCK_SKEW


def look_again(grant: Grant, *, due_at: datetime) -> Grant:
    """Nothing is there, but something may still appear: end once more at ``due_at``."""
    return _same_state(grant, due_at=due_at)


def hurry(grant: Grant, *, at: datetime) -> Grant:
    """Bring forward what waits by a clock that was wrong; an expiry alone is no such wait."""
    only_expires = grant.state is GrantState.ACTIVE and grant.applied_until == grant.expires_at
    due_at = grant.due_at if only_expires else at
    return replace(grant, version=grant.version + 1, due_at=due_at)


def ended(grant: Grant, *, at: datetime) -> Grant:
    """Close the grant: only after the target was read back and showed nothing (law 4)."""
    return _move(grant, GrantState.ENDED, due_at=None, ended_at=at)


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((moment for moment in (first, second) if moment is not None), default=None)


def _same_state(grant: Grant, **changes: Any) -> Grant:
    fresh: dict[str, Any] = {"version": grant.version + 1, "attempts": 0, "last_error": ""}
    return replace(grant, **{**fresh, **changes})


def _move(grant: Grant, state: GrantState, **changes: Any) -> Grant:
    if state not in EDGES[grant.state]:
        raise _not_from(grant, state)
    return _same_state(grant, state=state, **changes)


def _not_from(grant: Grant, doing: str) -> ConflictError:
    return ConflictError(f"{grant.id} is {grant.state} and cannot be {doing}")
