"""What the store tells of broken glass: reviews that are owed, and those that are late.

Not here: keeping anybody from breaking glass because of it; nothing does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from protem.domain.durations import format_duration
from protem.domain.instants import format_instant
from protem.ports.store import Transaction
from protem.services.diagnosis.findings import DoctorFinding, Severity

_MOST = 200


def owed_reviews(view: Transaction, now: datetime) -> Iterator[DoctorFinding]:
    """Yield one finding for each review that is owed."""
    for broken in view.glass.list(open_only=True, limit=_MOST):
        grant = view.grants.get(broken.grant_id)
        due, late = broken.due_at(grant), broken.is_overdue(grant, now)
        when = f"overdue by {format_duration(now - due)}" if late else f"due {format_instant(due)}"
        yield DoctorFinding(
            severity=Severity.WARNING if late else Severity.NOTE,
            subject=broken.grant_id,
            message=f"{broken.person} broke the glass at {broken.target}; its review is {when}",
            next_step=f"protem review show {broken.grant_id}",
        )


def counts_of_reviews(view: Transaction, now: datetime) -> tuple[int, int]:
    """Return how many reviews are owed and how many of them are late, counted up to a bound."""
    owed = view.glass.list(open_only=True, limit=_MOST)
    late = [broken for broken in owed if broken.is_overdue(view.grants.get(broken.grant_id), now)]
    return len(owed), len(late)
