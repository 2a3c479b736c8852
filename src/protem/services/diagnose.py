"""Look for what is out of order and say what to do about it. Changes nothing.

Here: the findings that ports can tell: grants, targets, clocks, the audit log. Not here: what only
the process knows (key files, loops); the composition root passes those checks in.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain.durations import format_duration
from protem.domain.errors import AuditUnavailableError, NotFoundError, TargetError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import TargetName
from protem.domain.observations import Observation
from protem.domain.targets import Target
from protem.ports.connector import Connector, ScansStandingPrivileges
from protem.ports.store import Transaction
from protem.services.observe_targets import live_grants
from protem.services.surroundings import Surroundings

OVERDUE_AFTER = timedelta(seconds=10)
CLOCK_SKEW = timedelta(seconds=5)
_TARGET_TIMEOUT_SECONDS = 10
_MOST = 200


class Severity(enum.StrEnum):
    """How soon someone should act."""

    CRITICAL = "critical"
    """Someone may hold what they should not, or nothing can be granted."""
    WARNING = "warning"
    """Something works worse than it should."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFinding:
    """One thing out of order.

    Attributes:
        subject: what it is about: a grant id, a target, a file.
        next_step: what to do or type.
    """

    severity: Severity
    subject: str
    message: str
    next_step: str


Check = Callable[[], Awaitable[Iterable[DoctorFinding]]]


async def diagnose(
    around: Surroundings, more_checks: Iterable[Check] = ()
) -> tuple[DoctorFinding, ...]:
    """Return every finding, the worst first."""
    now = around.clock.now()
    findings = list(await around.store.read(lambda view: tuple(_in_store(view, now))))
    findings += _in_audit_log(around)
    looks = [_at_target(around, target) for target in around.catalogue.targets()]
    for found in await asyncio.gather(*looks):
        findings += found
    for check in more_checks:
        findings += await check()
    order = list(Severity)
    return tuple(sorted(findings, key=lambda found: order.index(found.severity)))


def _in_store(view: Transaction, now: datetime) -> Iterator[DoctorFinding]:
    for grant in view.grants.list(states=(GrantState.STUCK,), limit=_MOST):
        yield _stuck(grant, now)
    late = now - OVERDUE_AFTER
    for grant in view.grants.list(states=(GrantState.ENDING,), limit=_MOST):
        if grant.expires_at is not None and grant.expires_at < late:
            yield _overdue(grant, now)
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
                message=f"provisioning at {grant.target} failed {grant.attempts} times: "
                f"{grant.last_error}",
                next_step=f"check target {grant.target}; it is retried until the grant expires",
            )


def _stuck(grant: Grant, now: datetime) -> DoctorFinding:
    since = grant.expires_at or grant.requested_at
    again = (
        "now"
        if grant.due_at is None or grant.due_at <= now
        else (f"in {format_duration(grant.due_at - now)}")
    )
    return DoctorFinding(
        severity=Severity.CRITICAL,
        subject=grant.id,
        message=f"{grant.target} refuses to end it ({grant.end_cause}; deadline "
        f"{format_duration(now - since)} ago, {grant.attempts} tries): {grant.last_error}",
        next_step=f"remove {grant.id.name_at_target} at {grant.target} or mend what it says; "
        f"next try {again}",
    )


def _overdue(grant: Grant, now: datetime) -> DoctorFinding:
    deadline = grant.expires_at or now
    return DoctorFinding(
        severity=Severity.CRITICAL,
        subject=grant.id,
        message=f"its end at {grant.target} is overdue by {format_duration(now - deadline)}"
        + (f": {grant.last_error}" if grant.last_error else ""),
        next_step=f"check target {grant.target}, or run protem sweep beside it",
    )


def _in_audit_log(around: Surroundings) -> Iterator[DoctorFinding]:
    try:
        around.audit_log.check_writable()
    except AuditUnavailableError as error:
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject="audit",
            message=f"{error.message}; nothing is granted until it can be written",
            next_step=error.next_step or "make the audit folder writable and free space on it",
        )


async def _at_target(around: Surroundings, target: Target) -> list[DoctorFinding]:
    try:
        async with asyncio.timeout(_TARGET_TIMEOUT_SECONDS):
            connector = around.catalogue.connector(target.name)
            before = around.clock.now()
            observed = await connector.observe()
            after = around.clock.now()
            live = await live_grants(around, target.name)
            found = list(_in_observation(target.name, observed, {grant.id for grant in live}))
            found += _in_clock(target.name, observed, before, after)
            found += await _standing(target.name, connector)
            return found
    except TimeoutError:
        why = f"did not answer in {_TARGET_TIMEOUT_SECONDS} s"
    except (TargetError, NotFoundError) as error:
        why = error.message
    return [
        DoctorFinding(
            severity=Severity.CRITICAL,
            subject=target.name,
            message=f"cannot be read, so grants there can be neither made nor ended: {why}",
            next_step=f"check [targets.{target.name}] and the network path to it",
        )
    ]


def _in_observation(
    name: TargetName, observed: Observation, live: set[str]
) -> Iterator[DoctorFinding]:
    for privilege in observed.privileges:
        if privilege.grant_id is None:
            yield DoctorFinding(
                severity=Severity.WARNING,
                subject=f"{name}/{privilege.name}",
                message="bears Protem's mark but no grant id; it is not touched",
                next_step="find out who made it, and remove it by hand",
            )
        elif privilege.grant_id not in live:
            yield DoctorFinding(
                severity=Severity.CRITICAL if privilege.usable else Severity.WARNING,
                subject=f"{name}/{privilege.name}",
                message="an orphan: no live grant explains this privilege",
                next_step="it is ended at the next observation; if it stays, read the server's log",
            )
        if privilege.deviation:
            yield DoctorFinding(
                severity=Severity.WARNING,
                subject=f"{name}/{privilege.name}",
                message=f"differs from what was made: {privilege.deviation}",
                next_step="find out who changed it; end the grant if in doubt",
            )
    for session in observed.sessions:
        if not session.privilege:
            yield DoctorFinding(
                severity=Severity.CRITICAL,
                subject=f"{name}/{session.handle}",
                message="a live session whose account is gone",
                next_step="it is cut at the next observation",
            )


def _in_clock(
    name: TargetName, observed: Observation, before: datetime, after: datetime
) -> Iterator[DoctorFinding]:
    skew = max(before - observed.at, observed.at - after, timedelta(0))
    if skew > CLOCK_SKEW:
        side = "behind" if observed.at < before else "ahead of"
        yield DoctorFinding(
            severity=Severity.WARNING,
            subject=name,
            message=f"its clock is {format_duration(skew)} {side} ours, and so are its deadlines",
            next_step="synchronise both clocks (NTP)",
        )


async def _standing(name: TargetName, connector: Connector) -> list[DoctorFinding]:
    if not isinstance(connector, ScansStandingPrivileges):
        return []
    return [
        DoctorFinding(
            severity=Severity.NOTE,
            subject=f"{name}/{found.name}",
            message=f"a standing privilege: {found.message}",
            next_step="replace it by requests, then revoke it",
        )
        for found in await connector.standing_privileges()
    ]
