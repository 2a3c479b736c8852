"""The system's clocks, joined into trusted time.

Here: reading them, and the mark between readings. Not here: keeping the mark (keep_time), the rule
(``domain.trusted_time``).

Invariants: many threads may ask at once; none is told a moment before one that another was told.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protem.domain.trusted_time import ClockReading, advance, later_of, refuse_if_behind

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_TIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Runs on through suspend; only Linux has it under this name."""


def system_readings() -> Callable[[], ClockReading]:
    """Return a function that reads this machine's clocks."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = str(uuid.uuid4())  # no name for this run of the machine: comparable to nothing

    def read() -> ClockReading:
        return ClockReading(
            moment=datetime.now(UTC),
            since_boot=timedelta(microseconds=time.clock_gettime_ns(_BOOT_TIME) // 1_000),
            boot=boot,
        )

    return read


class SystemClock:
    """Tells trusted time from this machine's clocks."""

    def __init__(self, read: Callable[[], ClockReading] | None = None) -> None:
        """Begin without a mark.

        Args:
            read: looks at the clocks; by default those of this machine.
        """
        self._read = read or system_readings()
        self._lock = threading.Lock()
        self._mark = self._read()

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return self.mark().moment

    def check_steady(self) -> None:
        """Return unless the wall clock was set back.

        Raises:
            ClockSteppedBackError: when it was.
        """
        refuse_if_behind(self.mark(), self._read())

    def behind(self) -> timedelta:
        """Return how far the wall clock was set back."""
        return max(self.mark().moment - self._read().moment, timedelta(0))

    def mark(self) -> ClockReading:
        """Return what is trusted now."""
        with self._lock:
            self._mark = advance(self._mark, self._read())
            return self._mark

    def learn(self, mark: ClockReading) -> None:
        """Trust what ``mark`` proves to be past, too."""
        with self._lock:
            self._mark = later_of(self._mark, mark, self._read())
