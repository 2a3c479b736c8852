"""A clock that moves when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at a fixed moment and stands still until told."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the moment the test chose."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move by ``by``, backwards too."""
        self._now += by
