"""A chat in memory, whose messages can be rewritten, and that fails when the test says so."""

from __future__ import annotations

from protem.domain.errors import ProtemError, RefusedError
from protem.domain.notices import Notice


class InMemoryMessageBoard:
    """Messages by receipt.

    Attributes:
        messages: what each says now: the notice, and what came of it if that is known.
        whispers: reader and text, in order.
        failure: raised in place of taking anything, when set.
    """

    def __init__(self) -> None:
        self.messages: dict[str, tuple[Notice, str | None]] = {}
        self.whispers: list[tuple[str, str]] = []
        self.failure: ProtemError | None = None

    async def post(self, notice: Notice) -> str:
        """Keep a new message."""
        self._check()
        receipt = str(len(self.messages) + 1)
        self.messages[receipt] = notice, None
        return receipt

    async def rewrite(self, receipt: str, notice: Notice, outcome: str) -> None:
        """Keep what came of it."""
        self._check()
        if receipt not in self.messages:
            raise RefusedError("there is no such message")
        self.messages[receipt] = notice, outcome

    async def whisper(self, reader: str, text: str) -> None:
        """Keep what was said."""
        self._check()
        self.whispers.append((reader, text))

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
