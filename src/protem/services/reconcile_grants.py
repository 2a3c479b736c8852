"""Make the targets hold what the grants say: the only code that provisions and ends (law 3).

Here: the driver: claim what is due, do it, record it. Not here: what to do (the pure plan in
``domain.grant_reconciliation``) and looking for orphans (observe_targets).

Invariants:
- A target is touched for a grant only under that grant's lease, and after the intent committed.
- A result is written over the version it was made for; if that changed meanwhile (a revocation
  while provisioning), the result is dropped and the grant, read again, is worked on at once.
- Ending is tried for ever; after a few failures it is called ``stuck``, which is loud.
- ``run`` survives any error of one grant; only cancellation stops it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from protem.domain import audit_events, grants
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import (
    ConflictError,
    NotFoundError,
    ProtemError,
    RefusedError,
    RetryLaterError,
)
from protem.domain.grant_reconciliation import (
    BeginEnding,
    End,
    EndOrphan,
    Lapse,
    Provision,
    ReportStray,
    plan,
)
from protem.domain.grants import EndCause, Grant
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings

SAFETY_POLL = timedelta(seconds=1)
"""News may be lost; the index makes looking free."""
BATCH = 200
GATHER = timedelta(milliseconds=20)
"""One look serves all news of this long. What use cases start is handed over and waits for none."""
AT_ONCE = 16
"""Grants worked on at the same time: enough to keep a target's connections busy."""
CALL_TIMEOUT = timedelta(seconds=20)
"""One call of a connector; shorter than a lease, so that a lease is never outlived."""

_Result = tuple[Grant, AuditEvent]


class ReconcileGrants:
    """Works off what is due; also the work queue that use cases hand leased grants to."""

    def __init__(self, around: Callable[[], Surroundings], *, owner: str) -> None:
        """Build it; ``around`` is asked at run time because it holds this queue itself."""
        self._around = around
        self._owner = owner
        self._handed: asyncio.Queue[Grant] = asyncio.Queue()
        self._working: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def owner(self) -> str:
        """The name under which this process leases work."""
        return self._owner

    def hand_over(self, grant: Grant) -> None:
        """Start on a grant whose lease is already ours."""
        self._handed.put_nowait(grant)

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
            await self._start(await self._handed.get())

    async def _take_due(self) -> None:
        around = self._around()
        with around.announcer.watch() as watch:
            while True:
                pause = SAFETY_POLL
                with suppress(ProtemError):  # the store may be away; the poll tries again
                    while (pause := await self._until_next()) <= timedelta(0):
                        for grant in await self._claim():
                            await self._start(grant)
                if await watch.changed(pause):
                    await asyncio.sleep(GATHER.total_seconds())

    async def _until_next(self) -> timedelta:
        around = self._around()
        due = await around.store.read(lambda view: view.work.next_due())
        return SAFETY_POLL if due is None else min(due - around.clock.now(), SAFETY_POLL)

    async def _claim(self) -> tuple[Grant, ...]:
        around = self._around()
        now = around.clock.now()
        until = now + around.limits.lease

        def work(transaction: Transaction) -> tuple[Grant, ...]:
            return tuple(
                transaction.work.claim(now=now, until=until, owner=self._owner, limit=BATCH)
            )

        return await around.store.write(work)

    async def _start(self, grant: Grant) -> None:
        await self._slots.acquire()
        task = asyncio.create_task(self._finish(grant))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        task.add_done_callback(lambda _: self._slots.release())

    async def _finish(self, grant: Grant) -> None:
        """Do what is due for one leased grant until nothing is, then give the lease back."""
        around = self._around()
        try:
            current: Grant | None = grant
            while current is not None:
                current = await self._step(current)
        except ProtemError:
            # The store is away: the lease runs out and the work is claimed again.
            return
        finally:
            around.announcer.announce(grant.id)

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
                result = lapsed, audit_events.closed_unused(lapsed, now, audit_events.SYSTEM)
            case BeginEnding(cause=cause):
                ending = grants.begin_ending(grant, at=now, cause=cause)
                result = ending, audit_events.ending(ending, now, audit_events.SYSTEM)
            case Provision():
                result = await self._provision(grant)
            case End():
                result = await self._end(grant)
            case EndOrphan() | ReportStray():
                raise ConflictError("a plan without an observation names no orphan")
            case _ as never:
                assert_never(never)
        return await self._record(grant, result)

    async def _record(self, before: Grant, result: _Result) -> Grant | None:
        """Write the result over the version it was made for, keeping the lease if more is due."""
        around = self._around()
        after, event = result

        def work(transaction: Transaction) -> Grant | None:
            now = around.clock.now()
            try:
                transaction.grants.save(after)
                transaction.audit.append(event)
                current = after
            except ConflictError:
                current = transaction.grants.get(before.id)
            if current.due_at is None or current.due_at > now:
                transaction.work.release(current.id, owner=self._owner)
                return None
            ours = transaction.work.take(
                current.id, now=now, until=now + around.limits.lease, owner=self._owner
            )
            return current if ours else None

        return await around.store.write(work)

    async def _provision(self, grant: Grant) -> _Result:
        around = self._around()
        if grant.order is None or grant.public_half is None or grant.expires_at is None:
            return self._give_up(grant, "the grant holds no order; it was not activated here")
        try:
            connector = around.catalogue.connector(grant.target)
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                receipt = await connector.provision(grant.order, grant.public_half)
        except (RefusedError, NotFoundError) as error:
            return self._give_up(grant, error.message)
        except Exception as error:  # noqa: BLE001  # our own fault too is recorded and tried again
            return self._try_again(grant, error)
        now = around.clock.now()
        made = grants.provisioned(
            grant, at=now, receipt=receipt, applied_until=grant.order.order.expires_at
        )
        return made, audit_events.provisioned(made, now)

    async def _end(self, grant: Grant) -> _Result:
        around = self._around()
        try:
            connector = around.catalogue.connector(grant.target)
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                await connector.end(grant.id)
        except Exception as error:  # noqa: BLE001  # whatever it is, ending goes on
            return self._try_again(grant, error)
        now = around.clock.now()
        over = grants.ended(grant, at=now)
        return over, audit_events.ended(over, now)

    def _give_up(self, grant: Grant, why: str) -> _Result:
        """The target will never provision this: end whatever may be there."""
        now = self._around().clock.now()
        ending = replace(
            grants.begin_ending(grant, at=now, cause=EndCause.PROVISION_FAILED),
            last_error=why[: grants.MAX_ERROR],
        )
        return ending, audit_events.ending(ending, now, audit_events.SYSTEM)

    def _try_again(self, grant: Grant, error: Exception) -> _Result:
        around = self._around()
        now = around.clock.now()
        why = _explain(error)
        asked = error.delay if isinstance(error, RetryLaterError) else None
        delay = asked or self._backoff(grant.attempts)
        later = grants.retry(grant, due_at=_no_later_than_expiry(grant, now + delay), error=why)
        return later, audit_events.attempt_failed(later, now)

    def _backoff(self, attempts: int) -> timedelta:
        limits = self._around().limits
        doubled: timedelta = limits.retry_first * (1 << min(attempts, 20))
        return min(doubled, limits.retry_longest)


def _explain(error: Exception) -> str:
    if isinstance(error, ProtemError):
        return error.message
    if isinstance(error, TimeoutError):
        return "the target did not answer in time"
    # The text of a foreign exception may hold what must not be shown; its name is enough to look.
    return f"unexpected {type(error).__name__} in the connector"


def _no_later_than_expiry(grant: Grant, due_at: datetime) -> datetime:
    """A retry of provisioning must not hide the expiry behind a long delay."""
    if grant.state in (grants.GrantState.PROVISIONING, grants.GrantState.ACTIVE):
        return min(due_at, grant.expires_at or due_at)
    return due_at
