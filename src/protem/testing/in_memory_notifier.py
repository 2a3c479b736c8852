"""A channel that keeps what it is told, and fails when the test says so."""

from __future__ import annotations

from protem.domain.errors import ProtemError
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
