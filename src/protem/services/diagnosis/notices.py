"""What people should have been told and were not.

Here: notices that were given up lately. Not here: whether a channel works now (its loop says so).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from protem.ports.store import Transaction
from protem.services.diagnosis.findings import DoctorFinding, Severity

_LATELY = timedelta(days=7)
_MOST = 1_000


def undelivered_notices(view: Transaction, now: datetime) -> Iterator[DoctorFinding]:
    """Yield a finding for each channel that notices of the last week did not reach."""
    lost = view.notices.given_up(since=now - _LATELY, limit=_MOST)
    counts = Counter(one.channel for one in lost)
    for channel, count in sorted(counts.items()):
        why = next(one.last_error for one in lost if one.channel == channel)
        yield DoctorFinding(
            severity=Severity.WARNING,
            subject=f"notices to {channel}",
            message=f"{count} could not be delivered in the last week; the newest: {why}",
            next_step=f"protem server notify-test {channel}",
        )
