"""Make the targets hold what the grants say: the only code that provisions and ends (law 3).

Here: the driver: claim what is due, do it, record it. Not here: what to do (the pure plan in
``domain.grant_reconciliation``) and looking for orphans (observe_targets).

Invariants:
- A target is touched for a grant only under that grant's lease, and after the intent committed.
- An outcome is written over the version it was made for, and only under the lease; if the grant
  changed meanwhile (a revocation while provisioning), the outcome is dropped and the grant, read
  again, is worked on at once.
- This process works on one grant in one task at a time.
- An end that could not be recorded is remembered and recorded when that is possible again.
- Ending is tried for ever; after a few failures it is called ``stuck``, which is loud.
- When nothing can be recorded, what is over is ended all the same (end_unrecorded).
- A target that is slow or away holds up no other.
- ``run`` survives any error of one grant; only cancellation stops it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from protem.domain import audit_events, grants
from protem.domain.errors import AuditUnavailableError, ConflictError, ProtemError
from protem.domain.grant_reconciliation import (
    BeginEnding,
    End,
    EndOrphan,
    Lapse,
    Provision,
    ReportStray,
    plan,
)
from protem.domain.grants import LIVE, EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.ports.store import Transaction
from protem.services.activate_grant import last_moment, signed
from protem.services.attempts import (
    CALL_TIMEOUT,
    Tried,
    give_up,
    try_to_end,
    try_to_provision,
)
from protem.services.end_unrecorded import EndUnrecorded, WantedEnd
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_over

SAFETY_POLL = timedelta(seconds=1)
"""News may be lost; the index makes looking free."""
BATCH = 200
GATHER = timedelta(milliseconds=20)
"""One look serves all news of this long. What use cases start is handed over and waits for none."""
AT_ONCE = 16
"""Grants worked on at the same time at one target: enough to keep its connections busy."""
ENOUGH = 2 * AT_ONCE
"""No more is claimed at a target where this much waits: one that is slow holds up no other."""


class ReconcileGrants:
    """Works off what is due; also the work queue that use cases hand leased grants to."""

    def __init__(
        self,
        around: Callable[[], Surroundings],
        *,
        owner: str,
        on_ended: Callable[[Grant], None] = lambda _: None,
    ) -> None:
        """Build it.

        Args:
            around: asked at run time, because it holds this queue itself.
            owner: names this run of this process, and no other ever.
            on_ended: told of each grant whose end was recorded.
        """
        self._around = around
        self._owner = owner
        self._on_ended = on_ended
        self._unrecorded = EndUnrecorded()
        self._busy: dict[GrantId, asyncio.Event] = {}
        self._handed: asyncio.Queue[Grant] = asyncio.Queue()
        self._working: dict[asyncio.Task[None], TargetName] = {}
        self._slots: dict[TargetName, asyncio.Semaphore] = {}

    @property
    def owner(self) -> str:
        """The name under which this process leases work."""
        return self._owner

    def hand_over(self, grant: Grant) -> None:
        """Start on a grant whose lease is already ours."""
        self._handed.put_nowait(grant)

    def end_later(self, grant_id: GrantId, *, cause: EndCause, actor: str) -> None:
        """Remember an end that could not be recorded."""
        self._unrecorded.want(WantedEnd(grant_id=grant_id, cause=cause, actor=actor))

    async def run(self) -> None:
        """Work until cancelled; then finish nothing, since every step can be repeated."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take_handed())
                group.create_task(self._take_due())
        finally:
            for task in tuple(self._working):
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    async def run_once(self) -> int:
        """Work off all that is due now; return how many grants that were."""
        done = 0
        await self._unrecorded.record(self._around())
        while not self._handed.empty():
            await self._finish(self._handed.get_nowait())
            done += 1
        while await self._until_next() <= timedelta(0):
            claimed = await self._claim()
            for grant in claimed:
                await self._finish(grant)
            done += len(claimed)
        return done

    async def _take_handed(self) -> None:
        while True:
            self._start(await self._handed.get())

    async def _take_due(self) -> None:
        around = self._around()
        with around.announcer.watch() as watch:
            while True:
                pause = SAFETY_POLL
                try:
                    await self._unrecorded.record(around)
                    pause = await self._start_what_is_due()
                except AuditUnavailableError:
                    pause = SAFETY_POLL
                    await self._unrecorded.run_once(around)
                if await watch.changed(pause):
                    await asyncio.sleep(GATHER.total_seconds())

    async def _start_what_is_due(self) -> timedelta:
        """Return how long to wait for more; what waits for its target is news when it is done."""
        while (pause := await self._until_next()) <= timedelta(0):
            claimed = await self._claim()
            for grant in claimed:
                self._start(grant)
            if not claimed:
                return SAFETY_POLL
        return pause

    async def _until_next(self) -> timedelta:
        around = self._around()
        due = await around.store.read(lambda view: view.work.next_due())
        return SAFETY_POLL if due is None else min(due - around.clock.now(), SAFETY_POLL)

    async def _claim(self) -> tuple[Grant, ...]:
        around = self._around()
        now = around.clock.now()
        until = now + around.limits.lease
        waiting = Counter(self._working.values())
        busy = [target for target, count in waiting.items() if count >= ENOUGH]

        def work(transaction: Transaction) -> tuple[Grant, ...]:
            return tuple(
                transaction.work.claim(
                    now=now, until=until, owner=self._owner, limit=BATCH, except_at=busy
                )
            )

        return await around.store.write(work)

    def _start(self, grant: Grant) -> None:
        task = asyncio.create_task(self._finish_in_turn(grant))
        self._working[task] = grant.target
        task.add_done_callback(self._working.pop)

    async def _finish_in_turn(self, grant: Grant) -> None:
        slots = self._slots.setdefault(grant.target, asyncio.Semaphore(AT_ONCE))
        async with slots:
            await self._finish(grant)

    async def _finish(self, grant: Grant) -> None:
        """Do what is due for one leased grant until nothing is, then give the lease back."""
        around = self._around()
        ahead = self._busy.get(grant.id)
        done = self._busy[grant.id] = asyncio.Event()
        try:
            current: Grant | None = grant if ahead is None else await self._after(ahead, grant)
            while current is not None:
                current = await self._step(current)
        except ProtemError:
            # The store is away: the lease runs out and the work is claimed again.
            return
        finally:
            done.set()
            if self._busy.get(grant.id) is done:
                del self._busy[grant.id]
            around.announcer.announce(grant.id)

    async def _after(self, ahead: asyncio.Event, grant: Grant) -> Grant | None:
        """Wait for our own task on the same grant; go on with it as it is then, if still ours."""
        await ahead.wait()
        return await self._if_still_ours(grant)

    async def _if_still_ours(self, grant: Grant) -> Grant | None:
        """Prolong the lease and return the grant as it is now; None when the lease is another's."""
        around = self._around()

        def work(transaction: Transaction) -> Grant | None:
            until = around.clock.now() + around.limits.lease
            ours = transaction.work.renew(grant.id, until=until, owner=self._owner)
            return transaction.grants.get(grant.id) if ours else None

        return await around.store.write(work)

    async def _step(self, grant: Grant) -> Grant | None:
        """Do one action; return the grant if more is due at once, else None with the lease back."""
        around = self._around()
        now = around.clock.now()
        actions = plan([grant], None, now)
        if not actions:
            await around.store.write(lambda tx: tx.work.release(grant.id, owner=self._owner))
            return None
        match actions[0]:
            case Lapse():
                lapsed = grants.lapse(grant, at=now)
                event = audit_events.closed_unused(lapsed, now, audit_events.SYSTEM)
                tried = Tried(after=lapsed, event=event)
            case BeginEnding(cause=cause):
                ending = grants.begin_ending(grant, at=now, cause=cause)
                event = audit_events.ending(ending, now, audit_events.SYSTEM)
                tried = Tried(after=ending, event=event)
            case Provision():
                outcome = await self._provision(grant)
                if not isinstance(outcome, Tried):
                    return outcome
                tried = outcome
            case End():
                tried = await try_to_end(around, grant)
            case EndOrphan() | ReportStray():
                raise ConflictError("a plan without an observation names no orphan")
            case _ as never:
                assert_never(never)
        return await self._record(grant, tried)

    async def _provision(self, grant: Grant) -> Tried | Grant | None:
        """Try with an order that is good for one whole call.

        The order that was signed with the decision is, if nothing came in between; a later one is
        the same but for the time in which the target takes it, and is signed only for the grant as
        it is now: if it changed meanwhile, that is returned; None when the lease is another's.
        """
        around = self._around()
        if grant.order is None:
            return give_up(around, grant, "the grant holds no order; it was not activated here")
        order, now = grant.order, around.clock.now()
        if order.order.provision_by - now >= CALL_TIMEOUT:
            return await try_to_provision(around, grant, order)
        current = await self._if_still_ours(grant)
        if current is None or current.version != grant.version:
            return current
        provision_by = last_moment(now + around.limits.lease)
        fresh = signed(around, replace(order.order, issued_at=now, provision_by=provision_by))
        return await try_to_provision(around, grant, fresh)

    async def _record(self, before: Grant, tried: Tried) -> Grant | None:
        """Write the outcome over the version it was made for, keeping the lease if more is due.

        Dropped when another took over the lease: what we did is theirs to find at the target.
        """
        around = self._around()

        def work(transaction: Transaction) -> tuple[Grant | None, bool]:
            now = around.clock.now()
            if not transaction.work.release(before.id, owner=self._owner):
                return None, False
            current = _save(transaction, before, tried, now)
            tell_over(around, transaction, before, current, now)
            until = now + around.limits.lease
            more = current.due_at is not None and current.due_at <= now
            return current, more and transaction.work.take(
                current.id, now=now, until=until, owner=self._owner
            )

        current, more = await around.store.write(work)
        if current is not None and current.state is GrantState.ENDED:
            self._on_ended(current)
        return current if more else None


def _save(transaction: Transaction, before: Grant, tried: Tried, now: datetime) -> Grant:
    """Save the outcome, or what is left of it when the grant changed meanwhile."""
    try:
        transaction.grants.save(tried.after)
    except ConflictError:
        current = transaction.grants.get(before.id)
        if tried.unsettled_until is None or current.state not in LIVE:
            return current
        current = grants.unsettle(current, until=tried.unsettled_until)
        transaction.grants.save(current)
        transaction.audit.append(audit_events.unsettled(current, now))
        return current
    transaction.audit.append(tried.event)
    return tried.after
