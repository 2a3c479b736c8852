"""Who is on call, as a port: a file, a calendar, a paging service."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from protem.domain.oncall import OncallAnswer, ScheduleName


class Rota(Protocol):
    """One schedule of one source."""

    @property
    def schedule(self) -> ScheduleName:
        """What the settings call it."""
        ...

    async def shifts(self, *, now: datetime, until: datetime) -> OncallAnswer:
        """Return who is on call from ``now`` to ``until``, read now.

        An empty schedule is an answer: nobody is on call. Names that lead to no account are in
        the answer's ``unknown``, and on call by it is only who is known.

        Raises:
            RetryLaterError: the source does not answer; what it said last goes on to count.
            RefusedError: the source refuses, or says what nobody can read; a person must look.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; harmless twice."""
        ...
