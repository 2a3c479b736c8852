"""Notices on their way out, in a dictionary.

Here: these records with the refusals of the real ones, whose port says what each method does. Not
here: the store that hands them out (``in_memory_store``).
"""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.deliveries import Delivery, DeliveryState
from protem.domain.errors import NotFoundError
from protem.testing.in_memory_tables import Records


class InMemoryNotices(Records):
    """Deliveries by notice and channel."""

    def add(self, delivery: Delivery) -> None:
        place = delivery.notice.id, delivery.channel
        self._transaction.changeable.notices.setdefault(place, delivery)

    def save(self, delivery: Delivery) -> None:
        notices, place = (
            self._transaction.changeable.notices,
            (
                delivery.notice.id,
                delivery.channel,
            ),
        )
        if place not in notices:
            raise NotFoundError(f"no delivery of {delivery.notice.id} to {delivery.channel}")
        notices[place] = delivery

    def due(self, channel: str, *, now: datetime, limit: int) -> Sequence[Delivery]:
        found = [
            (one.due_at, one.notice.id, one)
            for one in self._to(channel)
            if one.due_at is not None and one.due_at <= now
        ]
        return tuple(one for _, _, one in sorted(found, key=lambda row: row[:2])[:limit])

    def next_due(self, channel: str) -> datetime | None:
        waiting = (one.due_at for one in self._to(channel) if one.due_at is not None)
        return min(waiting, default=None)

    def given_up(self, *, since: datetime, limit: int) -> Sequence[Delivery]:
        found = [
            one
            for one in self._transaction.readable.notices.values()
            if one.state is DeliveryState.GIVEN_UP and one.notice.at >= since
        ]
        found.sort(key=lambda one: (one.notice.id, one.channel))
        found.sort(key=lambda one: one.notice.at, reverse=True)
        return tuple(found[:limit])

    def forget_before(self, moment: datetime) -> int:
        notices = self._transaction.changeable.notices
        old = [
            place
            for place, one in notices.items()
            if one.state is not DeliveryState.WAITING and one.notice.at < moment
        ]
        for place in old:
            del notices[place]
        return len(old)

    def _to(self, channel: str) -> list[Delivery]:
        notices = self._transaction.readable.notices.values()
        return [one for one in notices if one.channel == channel]
