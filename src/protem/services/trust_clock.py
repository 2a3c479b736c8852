"""A person vouches for the machine's clock: trusted time starts again from what it shows.

Here: for when the clock was ahead by mistake, and trusted time, which never goes back by itself,
is now ahead for good. Everything that was begun in the false time is ended or given up. Not here:
telling that the clock is right; nobody but a person can. No server may run meanwhile.

Invariants:
- No grant lasts longer by this than the moment that was decided for it by a clock now vouched for.
- What must end is due at once, and every lease of the false time is forgotten; what a call under
  one may still do is remembered as unsettled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.audit_events import AuditEvent
from protem.domain.grants import LIVE, TERMINAL, EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.trusted_time import ClockReading
from protem.ports.store import Transaction
from protem.services.surroundings import Limits, Surroundings

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTrusted:
    """What was done.

    Attributes:
        was: trusted time until then; None when it was not ahead and nothing was done.
        now: what the clock shows and is trusted.
        closed: grants and requests of the false time that are ended or given up.
    """

    was: datetime | None
    now: datetime
    closed: tuple[GrantId, ...] = ()


async def trust_clock(around: Surroundings, reading: ClockReading, actor: str) -> ClockTrusted:
    """Set trusted time to ``reading``, which no mark was taught to, when it is ahead of that.

    Raises:
        AuditUnavailableError: when it could not be recorded; then nothing changed.
    """
    now = reading.moment

    def work(transaction: Transaction) -> ClockTrusted:
        latest = next(iter(transaction.clock.marks()), None)
        if latest is None or latest.moment <= now:
            return ClockTrusted(was=None, now=now)
        right = _RightTime(now=now, actor=actor, limits=around.limits)
        closed = [grant.id for grant in _open(transaction) if _put_right(transaction, grant, right)]
        transaction.work.release_all()
        transaction.clock.reset(reading)
        transaction.audit.append(audit_events.clock_trusted(actor, latest.moment, now))
        return ClockTrusted(was=latest.moment, now=now, closed=tuple(closed))

    return await around.store.write(work)


def _open(transaction: Transaction) -> list[Grant]:
    states = tuple(sorted(set(GrantState) - TERMINAL))
    found: list[Grant] = []
    while page := transaction.grants.list(
        states=states, before=found[-1].id if found else None, limit=_PAGE
    ):
        found += page
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _RightTime:
    """The moment that is vouched for, by whom, and how long things may wait."""

    now: datetime
    actor: str
    limits: Limits


def _put_right(transaction: Transaction, grant: Grant, right: _RightTime) -> bool:
    """Save what becomes of one open grant; say whether it is closed by this."""
    change = _closing(grant, right)
    closes = change is not None
    if change is None and grant.state in LIVE:
        hurried = grants.hurry(grant, at=right.now)
        change = hurried, audit_events.hurried(hurried, right.now)
    if change is None:
        return False
    after, event = change
    if after.state in LIVE:
        after = replace(after, unsettled_until=right.now + right.limits.lease)
    transaction.grants.save(after)
    transaction.audit.append(event)
    return closes


def _closing(grant: Grant, right: _RightTime) -> tuple[Grant, AuditEvent] | None:
    """Return the end of what was begun in the false time, None for everything else."""
    now = right.now
    longest = max(right.limits.request_lapses_after, right.limits.approval_lapses_after)
    match grant.state:
        case GrantState.PENDING | GrantState.APPROVED if grant.lapses_at > now + longest:
            lapsed = grants.lapse(grant, at=now)
            return lapsed, audit_events.closed_unused(lapsed, now, right.actor)
        case GrantState.PROVISIONING | GrantState.ACTIVE if (grant.activated_at or now) > now:
            ending = grants.begin_ending(grant, at=now, cause=EndCause.REVOKED)
            return ending, audit_events.ending(ending, now, right.actor)
        case _:
            return None
