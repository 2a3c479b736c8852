"""One thing out of order, and how soon someone should act.

Not here: looking for any.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """How soon someone should act."""

    CRITICAL = "critical"
    """Someone may hold what they should not, or nothing can be granted."""
    WARNING = "warning"
    """Something works worse than it should."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFinding:
    """One thing out of order.

    Attributes:
        subject: what it is about: a grant id, a target, a file.
        next_step: what to do or type.
    """

    severity: Severity
    subject: str
    message: str
    next_step: str


Check = Callable[[], Awaitable[Iterable[DoctorFinding]]]
