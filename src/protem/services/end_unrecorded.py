"""End at the targets while nothing can be put on record: the store is full, read-only or hangs.

Here: what the reconciler does in place of claiming work then, from what can still be read; where
nothing can be read either, what each target itself says is over. And the ends that people asked for
meanwhile, kept in memory until they can be recorded. Not here: recording what was done; once the
store works again the same grants are due, are ended once more, which finds nothing, and recorded.

Invariants (law 10): ending needs no working store; nothing is ever provisioned from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain import audit_events, grants
from protem.domain.errors import ProtemError
from protem.domain.grant_reconciliation import BeginEnding, End, plan
from protem.domain.grants import EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.ports.store import Transaction
from protem.services.attempts import CALL_TIMEOUT, end_in_time
from protem.services.surroundings import Surroundings
from protem.services.sweep_target import sweep_target

AGAIN_AFTER = timedelta(seconds=30)
"""What was seen gone is looked at again after this, for as long as it cannot be recorded."""
_PAGE = 500
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEnd:
    """An end that somebody asked for and that is not on record."""

    grant_id: GrantId
    cause: EndCause
    actor: str


class EndUnrecorded:
    """Remembers what it ended, so that each pass does only what is new or failed."""

    def __init__(self) -> None:
        self._gone: dict[GrantId, datetime] = {}
        self._wanted: dict[GrantId, WantedEnd] = {}

    def want(self, end: WantedEnd) -> None:
        """Keep an end until it can be recorded."""
        self._wanted[end.grant_id] = end

    async def record(self, around: Surroundings) -> None:
        """Record the ends that are kept.

        Raises:
            AuditUnavailableError: when that is still not possible.
        """
        for wanted in tuple(self._wanted.values()):
            await around.store.write(_recording(wanted, around.clock.now()))
            self._wanted.pop(wanted.grant_id, None)

    async def run_once(self, around: Surroundings) -> int:
        """Make one pass; return how many grants, or privileges of none, were ended."""
        now = around.clock.now()
        try:
            over = await self._over(around, now)
        except ProtemError:
            return await _sweep_all(around)
        by_target: dict[TargetName, list[Grant]] = {}
        for grant in over:
            by_target.setdefault(grant.target, []).append(grant)
        done = await asyncio.gather(
            *(self._end_all(around, theirs, now) for theirs in by_target.values())
        )
        return sum(done)

    async def _over(self, around: Surroundings, now: datetime) -> Sequence[Grant]:
        """Return what must end and was not seen gone lately."""
        found: list[Grant] = []
        read = 0

        def next_page(view: Transaction) -> Sequence[Grant]:
            return view.work.due(now=now, limit=_PAGE, skip=read)

        while page := await around.store.read(next_page):
            read += len(page)
            found += [grant for grant in page if _is_over(grant, now)]
        wanted = tuple(self._wanted)
        found += await around.store.read(lambda view: [view.grants.get(each) for each in wanted])
        return [grant for grant in found if not self._is_gone(grant, now)]

    def _is_gone(self, grant: Grant, now: datetime) -> bool:
        return now - self._gone.get(grant.id, now - AGAIN_AFTER) < AGAIN_AFTER

    async def _end_all(self, around: Surroundings, over: Sequence[Grant], now: datetime) -> int:
        """End these at one target; one that is away costs one batch of calls a pass."""
        ended = 0
        for start in range(0, len(over), _AT_ONCE):
            batch = over[start : start + _AT_ONCE]
            done = await asyncio.gather(*(self._end(around, grant, now) for grant in batch))
            ended += sum(done)
            if not any(done):
                break
        return ended

    async def _end(self, around: Surroundings, grant: Grant, now: datetime) -> bool:
        try:
            await end_in_time(around.catalogue.connector(grant.target), grant.id)
        except ProtemError:
            return False  # the next pass tries again
        self._gone[grant.id] = now
        return True


def _is_over(grant: Grant, now: datetime) -> bool:
    return any(isinstance(action, End | BeginEnding) for action in plan([grant], None, now))


def _recording(wanted: WantedEnd, now: datetime) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        grant = transaction.grants.get(wanted.grant_id)
        if grant.state in (GrantState.PROVISIONING, GrantState.ACTIVE):
            ending = grants.begin_ending(grant, at=now, cause=wanted.cause)
            transaction.grants.save(ending)
            transaction.audit.append(audit_events.ending(ending, now, wanted.actor))

    return work


async def _sweep_all(around: Surroundings) -> int:
    """Nothing can be read: the targets' own deadlines are what is left."""
    ended = 0
    for target in around.catalogue.targets():
        try:
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                report = await sweep_target(around.catalogue.connector(target.name))
            ended += len(report.ended)
        except (ProtemError, TimeoutError):
            continue
    return ended
