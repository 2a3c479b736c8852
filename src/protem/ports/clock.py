"""Time as a port: trusted time, which is never turned back (``domain.trusted_time``)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from protem.domain.trusted_time import ClockReading


class Clock(Protocol):
    """Tells trusted time; services read it once per operation."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC; never earlier than one told or learnt."""
        ...

    def check_steady(self) -> None:
        """Return if something new may begin.

        Raises:
            ClockSteppedBackError: when the wall clock is behind trusted time.
        """
        ...

    def behind(self) -> timedelta:
        """Return how far the wall clock is behind trusted time; zero or more."""
        ...

    def mark(self) -> ClockReading:
        """Return what is to be kept, so that time does not go back over a restart."""
        ...

    def learn(self, mark: ClockReading) -> None:
        """Take note of a mark that was kept, by an earlier run or another machine."""
        ...
