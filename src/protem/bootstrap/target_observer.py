"""When one target is looked at: on a period, and soon after a grant of it ended.

Here: the loop around the look, its pace, and what is known of the target by the last look. Not
here: the look itself (observe_targets).

Invariants:
- At most a tenth of the time goes into looking: a look that takes long is followed by a long pause.
- One look attests all that ended before it began; a storm of ends costs no more looks than one.
- Every look that ended an orphan is followed soon by another, which shows it gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from protem.domain.errors import NotFoundError, ProtemError, TargetError
from protem.domain.identifiers import TargetName
from protem.ports.connector import ScansStandingPrivileges
from protem.services.attempts import CALL_TIMEOUT
from protem.services.ends_to_attest import EndsToAttest
from protem.services.observe_targets import TargetState, observe_target
from protem.services.surroundings import Surroundings

LEAST_PAUSE_SECONDS = 1.0
REST_PER_LOOK = 9
"""A pause is at least this many times as long as the look before it."""
COUNT_STANDING_EVERY = timedelta(minutes=5)
_log = structlog.stdlib.get_logger("protem.loops")


@dataclass(slots=True, kw_only=True)
class LastLook:
    """What is known of a target without asking it.

    Attributes:
        state: of the last look that went well; None before the first.
        reachable: whether the last look went well; None before the first.
        orphans_ended: since this process started.
        standing: how many standing privileges there were, None where nobody counted.
    """

    state: TargetState | None = None
    reachable: bool | None = None
    orphans_ended: int = 0
    standing: int | None = None


@dataclass(slots=True, kw_only=True)
class TargetObserver:
    """Looks at one target again and again."""

    around: Surroundings
    target: TargetName
    ends: EndsToAttest
    observe_every: timedelta
    statement_every: timedelta
    works: Callable[[], None]
    failed: Callable[[ProtemError], None]
    last: LastLook = field(default_factory=LastLook)
    _stated_at: datetime | None = None
    _counted_at: datetime | None = None

    async def run(self) -> None:
        """Look until cancelled; an error of the target ends nothing."""
        loop = asyncio.get_running_loop()
        while True:
            began, well = loop.time(), False
            try:
                await self._look()
                well = self.last.reachable = True
                self.works()
            except ProtemError as error:
                if isinstance(error, TargetError | NotFoundError):
                    self.last.reachable = False
                self.failed(error)
            await self._pause(loop.time() - began, until_news=well)

    async def _pause(self, took: float, *, until_news: bool) -> None:
        """Rest from a look, then wait for the next period or, while all is well, for an end."""
        every = self.observe_every.total_seconds()
        rest = max(min(LEAST_PAUSE_SECONDS, every), REST_PER_LOOK * took)
        await asyncio.sleep(rest)
        if not until_news:
            await asyncio.sleep(max(0.0, every - rest))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, every - rest)):
                await self.ends.news(self.target)

    async def _look(self) -> None:
        now = self.around.clock.now()
        await self.ends.recall(self.around.store, now)
        due = self._stated_at is None or now - self._stated_at >= self.statement_every
        ends = self.ends.take_news(self.target)
        state = await observe_target(
            self.around, self.target, statement=due, ends=ends, before=self.last.state
        )
        if due:
            self._stated_at = now
        self.last.state = state
        self.ends.attested(self.target, state.closed)
        self._tell(state)
        if self._counted_at is None or now - self._counted_at >= COUNT_STANDING_EVERY:
            self._counted_at = now
            await self._count_standing()

    def _tell(self, state: TargetState) -> None:
        ended = len(state.orphans) - len(state.failed)
        if ended:
            self.last.orphans_ended += ended
            self.ends.look_again(self.target)
        for name, why in state.failed:
            _log.error("orphan not ended", target=self.target, privilege=name, error=why)
        if state.orphans or state.strays:
            _log.warning(
                "out of order at target",
                target=self.target,
                orphans=list(state.orphans),
                strays=state.strays,
            )

    async def _count_standing(self) -> None:
        connector = self.around.catalogue.connector(self.target)
        if not isinstance(connector, ScansStandingPrivileges):
            return
        ours = self.around.catalogue.target(self.target).own_logins
        with contextlib.suppress(TimeoutError):  # the next count tries again
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                found = await connector.standing_privileges()
                self.last.standing = sum(1 for each in found if each.name not in ours)
