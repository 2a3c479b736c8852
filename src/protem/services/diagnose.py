"""Look for what is out of order and say what to do about it. Changes nothing.

Here: asking store, audit log, clock and every target, and the order of what they find. Not here:
the findings themselves (``diagnosis``), and what only the process knows (key files, loops); the
composition root passes those checks in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import timedelta

from protem.domain.durations import format_duration
from protem.domain.errors import AuditUnavailableError, ClockSteppedBackError
from protem.domain.trusted_time import MOST_BEHIND
from protem.services.diagnosis.findings import Check, DoctorFinding, Severity
from protem.services.diagnosis.glass_reviews import owed_reviews
from protem.services.diagnosis.notices import undelivered_notices
from protem.services.diagnosis.stored_grants import in_store
from protem.services.diagnosis.targets import at_target
from protem.services.surroundings import Surroundings

_WORTH_KNOWING = timedelta(milliseconds=500)


async def diagnose(
    around: Surroundings, more_checks: Iterable[Check] = ()
) -> tuple[DoctorFinding, ...]:
    """Return every finding, the worst first."""
    now = around.clock.now()
    findings = list(await around.store.read(lambda view: tuple(in_store(around, view, now))))
    findings += await around.store.read(lambda view: tuple(undelivered_notices(view, now)))
    findings += await around.store.read(lambda view: tuple(owed_reviews(view, now)))
    findings += _in_audit_log(around)
    findings += _in_our_clock(around)
    looks = [at_target(around, target) for target in around.catalogue.targets()]
    for found in await asyncio.gather(*looks):
        findings += found
    for check in more_checks:
        findings += await check()
    order = list(Severity)
    return tuple(sorted(findings, key=lambda found: order.index(found.severity)))


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


def _in_our_clock(around: Surroundings) -> Iterator[DoctorFinding]:
    try:
        around.clock.check_steady()
    except ClockSteppedBackError as error:
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject="clock",
            message=error.message,
            next_step=error.next_step or "synchronise it (NTP)",
        )
        return
    behind = around.clock.behind()
    if behind > _WORTH_KNOWING:
        yield DoctorFinding(
            severity=Severity.NOTE,
            subject="clock",
            message=f"it is {behind.total_seconds():.1f} s behind a time that it has shown before; "
            "such steps add up until the machine restarts, and from "
            f"{format_duration(MOST_BEHIND)} on nothing is granted",
            next_step="let NTP slew this clock; in chrony.conf: makestep 1 3",
        )
