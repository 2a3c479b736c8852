"""The clock's mark in SQL: one row.

Here: ``ClockRecords``. Not here: what the mark means (``domain.trusted_time``).
"""

from __future__ import annotations

from typing import Any

from protem.domain.trusted_time import ClockReading
from protem.storage import statements
from protem.storage.moments import from_length, from_moment, to_length, to_moment
from protem.storage.session import Session


class ClockTable:
    """``ClockRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self) -> ClockReading | None:
        """Return the mark."""
        row = self._session.row(statements.CLOCK_GET, {})
        if row is None:
            return None
        moment, since_boot, boot = row
        return ClockReading(
            moment=to_moment(moment), since_boot=to_length(since_boot), boot=str(boot)
        )

    def put(self, mark: ClockReading) -> None:
        """Keep the later of two."""
        self._session.change(statements.CLOCK_PUT, _row(mark))

    def reset(self, mark: ClockReading) -> None:
        """Keep this one."""
        self._session.change(statements.CLOCK_RESET, _row(mark))


def _row(mark: ClockReading) -> dict[str, Any]:
    return {
        "id": 1,
        "moment": from_moment(mark.moment),
        "since_boot": from_length(mark.since_boot),
        "boot": mark.boot,
    }
