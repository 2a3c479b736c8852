"""Notices on their way out, as records: kept with the change that they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from protem.domain.deliveries import Delivery


class NoticeRecords(Protocol):
    """Deliveries, one for each notice and channel."""

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery; one of the same notice to the same channel that is there stays."""
        ...

    def save(self, delivery: Delivery) -> None:
        """Write what became of a delivery.

        Raises:
            NotFoundError: it is not there.
        """
        ...

    def due(self, channel: str, *, now: datetime, limit: int) -> Sequence[Delivery]:
        """Return what waits for a channel and is due, oldest first."""
        ...

    def next_due(self, channel: str) -> datetime | None:
        """Return when the next delivery to a channel is due."""
        ...

    def given_up(self, *, since: datetime, limit: int) -> Sequence[Delivery]:
        """Return notices from ``since`` on that could not be delivered, newest first."""
        ...

    def forget_before(self, moment: datetime) -> int:
        """Drop deliveries that are over, of notices before ``moment``; return how many."""
        ...
