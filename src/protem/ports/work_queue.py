"""Handing work to the reconciler as a port: a short cut that may be lost without harm."""

from __future__ import annotations

from typing import Protocol

from protem.domain.grants import EndCause, Grant
from protem.domain.identifiers import GrantId


class WorkQueue(Protocol):
    """Takes grants whose lease was taken in the transaction that made them due.

    A crash loses the queue, never the work: the lease runs out and the reconciler claims it.
    """

    @property
    def owner(self) -> str:
        """The name under which this process leases work."""
        ...

    def hand_over(self, grant: Grant) -> None:
        """Work on ``grant`` now; its lease is already ours."""
        ...

    def end_later(self, grant_id: GrantId, *, cause: EndCause, actor: str) -> None:
        """Remember an end that could not be recorded, and record it when that is possible."""
        ...
