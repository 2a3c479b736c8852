"""A channel that keeps what it is told, and fails when the test says so."""

from __future__ import annotations

from collections.abc import Iterable

from protem.domain.answer_links import AnswerWay
from protem.domain.errors import ProtemError, RefusedError
from protem.domain.notices import Notice
from protem.domain.principals import PrincipalId


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


class InMemoryPersonalNotifier(InMemoryNotifier):
    """A channel in memory that reaches single persons, too.

    Attributes:
        handed: what single persons were sent, in order: person, notice, way.
    """

    def __init__(self, name: str = "mail", people: Iterable[PrincipalId] = ()) -> None:
        super().__init__(name)
        self.people = frozenset(people)
        self.handed: list[tuple[PrincipalId, Notice, AnswerWay | None]] = []

    async def deliver_to(self, person: PrincipalId, notice: Notice, way: AnswerWay | None) -> None:
        """Keep it."""
        if self.failure is not None:
            raise self.failure
        if person not in self.people:
            raise RefusedError(f"{self.name} knows no address of {person}")
        self.handed.append((person, notice, way))
