"""What the store tells: grants that do not end, are late, or cannot begin; work nobody does.

Here: the findings, and the two figures that metrics show too. Not here: asking any target.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta

from protem.domain.durations import format_duration
from protem.domain.errors import NotFoundError
from protem.domain.grants import Grant, GrantState
from protem.ports.connector import MendsByHand
from protem.ports.store import Transaction
from protem.services.diagnosis.findings import DoctorFinding, Severity
from protem.services.surroundings import Limits, Surroundings

OVERDUE_AFTER = timedelta(seconds=10)
_MOST = 200
_NOTHING = timedelta(0)


def in_store(around: Surroundings, view: Transaction, now: datetime) -> Iterator[DoctorFinding]:
    """Yield what the stored grants show."""
    for grant in view.grants.list(states=(GrantState.STUCK,), limit=_MOST):
        yield _stuck(around, grant, now)
    late = now - OVERDUE_AFTER
    for grant in view.grants.list(states=(GrantState.ENDING,), limit=_MOST):
        if grant.expires_at is not None and grant.expires_at < late:
            yield _overdue(around, grant, now)
    due = view.work.next_due()
    if due is not None and due < late:
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject="reconciler",
            message=f"work is due since {format_duration(now - due)} and nobody does it",
            next_step="restart the server and read its log for reconciler errors",
        )
    for grant in view.grants.list(states=(GrantState.PROVISIONING,), limit=_MOST):
        if grant.attempts:
            yield DoctorFinding(
                severity=Severity.WARNING,
                subject=grant.id,
                message=f"provisioning at {grant.target} failed ({_times(grant)}, next try "
                f"{_next_try(grant, now)}): {grant.last_error}",
                next_step=f"protem target check {grant.target}; to give up: "
                f"protem grant revoke {grant.id}",
            )


def overdue_by(grant: Grant, now: datetime) -> timedelta:
    """Return how long ago the grant's deadline was; nothing for one ended before it."""
    return _NOTHING if grant.expires_at is None else max(now - grant.expires_at, _NOTHING)


def ending_for(grant: Grant, limits: Limits, now: datetime) -> timedelta:
    """Return for how long, at least, the target has not done what was due.

    Known from the tries and the pauses between them, and from the deadline where that has passed.
    """
    pauses = [limits.pause_after(before) for before in range(grant.attempts)]
    tried_for: timedelta = sum(pauses[:-1], _NOTHING)
    if pauses and grant.due_at is not None:
        tried_for += max(now - (grant.due_at - pauses[-1]), _NOTHING)
    return max(tried_for, overdue_by(grant, now))


def sweep_command(around: Surroundings, grant: Grant) -> str:
    """Return the sweep of the grant's target as one would type it."""
    try:
        connector = around.catalogue.connector(grant.target)
    except NotFoundError:
        return f"declare [targets.{grant.target}] again"
    if isinstance(connector, MendsByHand):
        return f"protem sweep --target {shlex.quote(connector.sweep_address)}"
    return f"protem sweep at {grant.target}"


def _stuck(around: Surroundings, grant: Grant, now: datetime) -> DoctorFinding:
    late = overdue_by(grant, now)
    deadline = f"deadline {format_duration(late)} ago" if late else "before its deadline"
    tried_for = format_duration(ending_for(grant, around.limits, now))
    return DoctorFinding(
        severity=Severity.CRITICAL,
        subject=grant.id,
        message=f"{grant.target} refuses to end it (cause {grant.end_cause}, {deadline}; "
        f"{_times(grant)} in {tried_for} or more, next try {_next_try(grant, now)}): "
        f"{grant.last_error}",
        next_step=_by_hand(around, grant),
    )


def _by_hand(around: Surroundings, grant: Grant) -> str:
    """Return how a person ends it at the target; Protem notices by itself."""
    name = grant.id.name_at_target
    try:
        connector = around.catalogue.connector(grant.target)
    except NotFoundError:
        return f"declare [targets.{grant.target}] again, or remove {name} there by hand"
    if isinstance(connector, MendsByHand):
        return f"mend what it says, or there: {connector.removal_by_hand(name)}"
    return f"mend what it says, or remove {name} there by hand"


def _overdue(around: Surroundings, grant: Grant, now: datetime) -> DoctorFinding:
    said = f": {grant.last_error}" if grant.last_error else ""
    return DoctorFinding(
        severity=Severity.CRITICAL,
        subject=grant.id,
        message=f"its end at {grant.target} is overdue by "
        f"{format_duration(overdue_by(grant, now))} ({_times(grant)}, next try "
        f"{_next_try(grant, now)}){said}",
        next_step=sweep_command(around, grant),
    )


def _times(grant: Grant) -> str:
    return "1 try" if grant.attempts == 1 else f"{grant.attempts} tries"


def _next_try(grant: Grant, now: datetime) -> str:
    if grant.due_at is None or grant.due_at <= now:
        return "now"
    return f"in {format_duration(grant.due_at - now)}"
