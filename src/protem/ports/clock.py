"""Time as a port."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; services read it once per operation."""

    def now(self) -> datetime:
        """Return the present moment, timezone-aware, in UTC."""
        ...
