"""A clock that moves when a test says so: the wall and the boot time, together or apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from protem.domain.trusted_time import ClockReading, advance, later_of, refuse_if_behind


class ManualClock:
    """Starts at a fixed moment and stands still until told.

    Attributes:
        reading: what the machine's clocks show, whatever is trusted.
    """

    def __init__(
        self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, boot: str = "a-boot"
    ) -> None:
        self.reading = ClockReading(moment=start, since_boot=timedelta(hours=1), boot=boot)
        self._mark = self.reading

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.reading = replace(
            self.reading,
            moment=self.reading.moment + by,
            since_boot=self.reading.since_boot + by,
        )

    def step(self, by: timedelta) -> None:
        """Set the wall clock by ``by``, backwards too; no time passes."""
        self.reading = replace(self.reading, moment=self.reading.moment + by)

    def now(self) -> datetime:
        """Return the trusted moment."""
        return self.mark().moment

    def check_steady(self) -> None:
        """Return unless the wall clock was set back."""
        refuse_if_behind(self.mark(), self.reading)

    def behind(self) -> timedelta:
        """Return how far the wall clock was set back."""
        return self.mark().moment - self.reading.moment

    def mark(self) -> ClockReading:
        """Return what is trusted now."""
        self._mark = advance(self._mark, self.reading)
        return self._mark

    def learn(self, mark: ClockReading) -> None:
        """Trust what ``mark`` proves to be past, too."""
        self._mark = later_of(self._mark, mark, self.reading)
