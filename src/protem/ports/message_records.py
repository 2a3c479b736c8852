"""Messages in chats that ask for an answer, as records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from protem.domain.posted_messages import PostedMessage


class MessageRecords(Protocol):
    """One message for each notice and channel."""

    def put(self, message: PostedMessage) -> None:
        """Keep a message, in place of what is known of the same notice there."""
        ...

    def open(self, channel: str, *, now: datetime, limit: int) -> Sequence[PostedMessage]:
        """Return messages to look at now, the longest waiting first."""
        ...

    def forget_before(self, moment: datetime) -> int:
        """Drop those of notices before ``moment`` that are closed; return how many."""
        ...
