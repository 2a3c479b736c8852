"""One try at a target for one grant, and what its outcome means for the grant.

Here: the call with its limit, and the grant and audit entry that follow from the answer. Not here:
leases and recording (reconcile_grants).

Invariants:
- An order that is sent can take effect only while its sender holds the lease: the target refuses it
  from ``provision_by`` on, which is before the lease's end by as much as clocks may differ.
- Nothing is made at a target while nothing may begin (law 5): a log that cannot be written, or that
  contradicts the store because an old copy of it was restored, or a clock that was set back.
- What is not known to have failed is remembered as unsettled until it can no longer happen.
- A grant is recorded as ended only after a read-back at which nothing late could still follow.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain import audit_events, grants
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import (
    AuditUnavailableError,
    ClockSteppedBackError,
    NotFoundError,
    ProtemError,
    RefusedError,
    RetryLaterError,
)
from protem.domain.grants import EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.orders import SignedOrder
from protem.ports.connector import Connector
from protem.services.surroundings import Surroundings

CALL_TIMEOUT = timedelta(seconds=15)
"""One call of a connector. Giving up takes ten seconds more on a network that swallows everything;
a lease is longer than both."""
_NO_ANSWER = "the target did not answer in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a try leads to.

    Attributes:
        after: the grant's next version.
        event: the entry that goes with it.
        unsettled_until: remembered even when ``after`` is dropped: until then the call may still
            take effect.
    """

    after: Grant
    event: AuditEvent
    unsettled_until: datetime | None = None


async def try_to_provision(around: Surroundings, grant: Grant, order: SignedOrder) -> Tried:
    """Let the target make the grant's privilege by ``order``."""
    if grant.public_half is None:
        return give_up(around, grant, "the grant holds no public half")
    try:
        around.check_ready_to_grant()
    except (AuditUnavailableError, ClockSteppedBackError) as error:
        return _try_again(around, grant, error, None)
    try:
        connector = around.catalogue.connector(grant.target)
        async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
            receipt = await connector.provision(order, grant.public_half)
    except (RefusedError, NotFoundError) as error:
        return give_up(around, grant, error.message)
    except Exception as error:  # noqa: BLE001  # our own fault too is recorded and tried again
        nothing_changed = isinstance(error, RetryLaterError)
        return _try_again(
            around, grant, error, None if nothing_changed else order.order.provision_by
        )
    now = around.clock.now()
    made = grants.provisioned(grant, at=now, receipt=receipt, applied_until=order.order.expires_at)
    return Tried(after=made, event=audit_events.provisioned(made, now))


async def try_to_end(around: Surroundings, grant: Grant) -> Tried:
    """Let the target cut, remove and read back."""
    began = around.clock.now()
    try:
        await end_in_time(around.catalogue.connector(grant.target), grant.id)
    except Exception as error:  # noqa: BLE001  # whatever it is, ending goes on
        return _try_again(around, grant, error, None)
    now = around.clock.now()
    settles = grants.settles_at(grant)
    if settles is not None and began < settles:
        again = grants.look_again(grant, due_at=settles)
        return Tried(after=again, event=audit_events.look_again(again, now))
    over = grants.ended(grant, at=now)
    return Tried(after=over, event=audit_events.ended(over, now))


async def end_in_time(connector: Connector, grant_id: GrantId) -> None:
    """Cut, remove and read back, in no more than ``CALL_TIMEOUT``; record nothing.

    Raises:
        TargetError: when the target did not do it.
    """
    try:
        async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
            await connector.end(grant_id)
    except TimeoutError:
        raise RetryLaterError(_NO_ANSWER) from None


def give_up(around: Surroundings, grant: Grant, why: str) -> Tried:
    """The target will never provision this: end whatever may be there."""
    now = around.clock.now()
    ending = replace(
        grants.begin_ending(grant, at=now, cause=EndCause.PROVISION_FAILED),
        last_error=why[: grants.MAX_ERROR],
    )
    return Tried(after=ending, event=audit_events.ending(ending, now, audit_events.SYSTEM))


def _try_again(
    around: Surroundings, grant: Grant, error: Exception, unsettled_until: datetime | None
) -> Tried:
    now = around.clock.now()
    asked = error.delay if isinstance(error, RetryLaterError) else None
    delay = asked or around.limits.pause_after(grant.attempts)
    due_at = _no_later_than_expiry(grant, now + delay)
    later = grants.retry(
        grant, due_at=due_at, error=_explain(error), unsettled_until=unsettled_until
    )
    event = audit_events.attempt_failed(later, now)
    return Tried(after=later, event=event, unsettled_until=unsettled_until)


def _explain(error: Exception) -> str:
    if isinstance(error, ProtemError):
        return error.message
    if isinstance(error, TimeoutError):
        return _NO_ANSWER
    # The text of a foreign exception may hold what must not be shown; its name is enough to look.
    return f"unexpected {type(error).__name__} in the connector"


def _no_later_than_expiry(grant: Grant, due_at: datetime) -> datetime:
    """A retry of provisioning must not hide the expiry behind a long delay."""
    if grant.state in (GrantState.PROVISIONING, GrantState.ACTIVE):
        return min(due_at, grant.expires_at or due_at)
    return due_at
