"""Messages in chats that ask for an answer, in a dictionary.

Here: these records, whose port says what each method does. Not here: the store that hands them out
(``in_memory_store``).
"""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.posted_messages import PostedMessage
from protem.testing.in_memory_tables import Records


class InMemoryMessages(Records):
    """Messages by notice and channel."""

    def put(self, message: PostedMessage) -> None:
        self._transaction.changeable.messages[message.notice.id, message.channel] = message

    def open(self, channel: str, *, now: datetime, limit: int) -> Sequence[PostedMessage]:
        found = [
            (one.look_at, one.notice.id, one)
            for one in self._transaction.readable.messages.values()
            if one.channel == channel and one.look_at is not None and one.look_at <= now
        ]
        return tuple(one for _, _, one in sorted(found, key=lambda row: row[:2])[:limit])

    def forget_before(self, moment: datetime) -> int:
        messages = self._transaction.changeable.messages
        old = [
            place
            for place, one in messages.items()
            if one.look_at is None and one.notice.at < moment
        ]
        for place in old:
            del messages[place]
        return len(old)
