"""A chat whose messages can be rewritten and answered, as a port."""

from __future__ import annotations

from typing import Protocol

from protem.domain.notices import Notice


class MessageBoard(Protocol):
    """The part of a channel that keeps what it was told where people see it.

    Every method raises RetryLaterError when the chat is away, with the delay that it asked for, and
    RefusedError when it will never do this.
    """

    async def post(self, notice: Notice) -> str:
        """Post a message and return its receipt; posting again makes another message."""
        ...

    async def rewrite(self, receipt: str, notice: Notice, outcome: str) -> None:
        """Let the message say what came of it, and ask nothing; doing so again changes nothing."""
        ...

    async def whisper(self, reader: str, text: str) -> None:
        """Say something that one reader alone sees, by the reader's id in the chat."""
        ...
