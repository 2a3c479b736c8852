"""A channel that keeps what it is told, and fails when the test says so."""

from __future__ import annotations

from protem.domain.errors import ProtemError, RefusedError
from protem.domain.notices import Notice


class InMemoryNotifier:
    """A channel in memory.

    Attributes:
        taken: what was delivered, in order.
        failure: raised in place of taking anything, when set.
    """

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.taken: list[Notice] = []
        self.failure: ProtemError | None = None

    async def deliver(self, notice: Notice) -> None:
        """Keep it."""
        if self.failure is not None:
            raise self.failure
        self.taken.append(notice)

    async def close(self) -> None:
        """Nothing to let go of."""


class InMemoryRewritingNotifier(InMemoryNotifier):
    """A channel in memory whose messages can be rewritten.

    Attributes:
        messages: what each says now, and why it is over, by receipt.
        rewrites: receipts of what was rewritten, in order.
    """

    def __init__(self, name: str = "chat") -> None:
        super().__init__(name)
        self.messages: dict[str, tuple[Notice, str]] = {}
        self.rewrites: list[str] = []

    async def post(self, notice: Notice) -> str:
        """Keep it under a new receipt."""
        await self.deliver(notice)
        receipt = f"message {len(self.messages) + 1}"
        self.messages[receipt] = notice, ""
        return receipt

    async def rewrite(self, receipt: str, notice: Notice, over: str = "") -> None:
        """Replace what is kept."""
        if self.failure is not None:
            raise self.failure
        if receipt not in self.messages:
            raise RefusedError(f"{self.name} has no message {receipt}")
        self.messages[receipt] = notice, over
        self.rewrites.append(receipt)
