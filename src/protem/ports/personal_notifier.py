"""A channel that reaches single persons, as a port: mail with an address book."""

from __future__ import annotations

from typing import Protocol

from protem.domain.answer_links import AnswerWay
from protem.domain.notices import Notice
from protem.domain.principals import PrincipalId


class PersonalNotifier(Protocol):
    """The personal side of one configured channel."""

    @property
    def people(self) -> frozenset[PrincipalId]:
        """Whom it can reach by themselves."""
        ...

    async def deliver_to(self, person: PrincipalId, notice: Notice, way: AnswerWay | None) -> None:
        """Deliver to this person alone; ``way`` is theirs, fresh at each delivery, and a secret.

        Raises:
            RetryLaterError: the channel is away.
            RefusedError: it will never take this, or does not reach this person.
        """
        ...
