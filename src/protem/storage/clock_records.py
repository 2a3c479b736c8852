"""The clock's marks in SQL: a row for each boot.

Here: ``ClockRecords``. Not here: what a mark means (``domain.trusted_time``).
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def marks(self) -> Sequence[ClockReading]:
        """Return every mark, the latest first."""
        return [
            ClockReading(moment=to_moment(moment), since_boot=to_length(since_boot), boot=str(boot))
            for boot, moment, since_boot in self._session.rows(statements.CLOCK_MARKS, {})
        ]

    def put(self, mark: ClockReading) -> None:
        """Keep the later of two of one boot."""
        self._session.change(statements.CLOCK_PUT, _row(mark))

    def forget_but(self, newest: int) -> None:
        """Forget the others."""
        self._session.change(statements.CLOCK_FORGET_BUT, {"newest": newest})

    def reset(self, mark: ClockReading) -> None:
        """Keep this one alone."""
        self.forget_but(0)
        self.put(mark)


def _row(mark: ClockReading) -> dict[str, Any]:
    return {
        "moment": from_moment(mark.moment),
        "since_boot": from_length(mark.since_boot),
        "boot": mark.boot,
    }
