"""What the control plane does without being asked, and whether it still does it.

Here: the reconciler kept alive, targets observed, the audit log published, rotas asked, old answers
forgotten, sessions kept. Not here: the work itself (services), and when a target is looked at
(target_observer).

Invariants: no error of one round ends a loop; a loop that fails shows in ``troubles`` until it
works again; cancelling ``run`` stops all of them at once, since every step can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from protem.bootstrap.target_observer import LastLook, TargetObserver
from protem.domain.errors import ProtemError
from protem.domain.identifiers import TargetName
from protem.ports.rota import Rota
from protem.ports.store import Transaction
from protem.services.deliver_notices import DeliverNotices, forget_old
from protem.services.ends_to_attest import EndsToAttest
from protem.services.keep_time import keep_time
from protem.services.manage_sessions import keep_sessions
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.refresh_rota import refresh_rota
from protem.services.remind_of_reviews import remind_of_reviews
from protem.services.surroundings import Surroundings

PUBLISH_EVERY = timedelta(seconds=1)
REMEMBER_ANSWERS = timedelta(days=1)
_GATHER_SECONDS = 0.3
"""A head costs several syncs; entries of this long share one. Still under a second after each."""
_PAUSE_AFTER_FAILURE_SECONDS = 1.0
_FORGET_EVERY_SECONDS = 600.0
_KEEP_SESSIONS_EVERY_SECONDS = 60.0
_REMIND_EVERY_SECONDS = 60.0
_WELL_AFTER_SECONDS = 5.0
_FIRST_PUBLISH_SECONDS = 6.0
"""Longer than it takes to be called stalled; ending does not wait for it any longer."""
_KEEP_TIME_EVERY_SECONDS = 5.0
_log = structlog.stdlib.get_logger("protem.loops")


@dataclass(slots=True, kw_only=True)
class BackgroundLoops:
    """The loops of one control plane.

    Attributes:
        troubles: what fails now, by loop.
        ends: told of each end, so that the target is looked at soon; shared with the reconciler.
        looks: what is known of each target by the last look, for targets looked at.
        published: how many audit entries are under a signed head.
    """

    around: Surroundings
    reconciler: ReconcileGrants
    ends: EndsToAttest = field(default_factory=EndsToAttest)
    observe_every: timedelta = timedelta(seconds=15)
    statement_every: timedelta = timedelta(hours=1)
    rotas: Sequence[Rota] = ()
    refresh_rotas_every: timedelta = timedelta(minutes=1)
    rotas_ahead: timedelta = timedelta(hours=12)
    troubles: dict[str, str] = field(default_factory=dict)
    looks: dict[TargetName, LastLook] = field(default_factory=dict)
    published: int = 0

    async def run(self) -> None:
        """Work until cancelled."""
        await self._compare_log_and_store()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("reconciler", self.reconciler.run))
            group.create_task(self._keep("audit", self._publish))
            group.create_task(self._keep("answers", self._forget_answers))
            group.create_task(self._keep("store", self._keep_time))
            group.create_task(self._keep("sessions", self._keep_sessions))
            group.create_task(self._keep("reviews", self._remind_of_reviews))
            for channel in self.around.channels:
                driver = DeliverNotices(around=self.around, channel=channel)
                group.create_task(self._keep(f"notices to {channel.name}", driver.run))
            for rota in self.rotas:
                group.create_task(self._keep_refreshing(rota))
            for target in self.around.catalogue.targets():
                group.create_task(self._keep_observing(target.name))

    async def _compare_log_and_store(self) -> None:
        """Publish once before anything is made at a target.

        An old store that was restored beside a newer log is refused by that, and what it says of
        grants long over is made nowhere.
        """
        try:
            async with asyncio.timeout(_FIRST_PUBLISH_SECONDS):
                self.published = await self.around.audit_log.publish()
        except (ProtemError, TimeoutError) as error:
            self.failed("audit", error)

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run ``loop``, and run it again when it fails."""
        while True:
            well = asyncio.get_running_loop().call_later(_WELL_AFTER_SECONDS, self.works, name)
            try:
                await loop()
            except Exception as error:  # noqa: BLE001  # one loop's bug must not end the others
                self.failed(name, error)
            finally:
                well.cancel()
            await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)

    async def _keep_observing(self, target: TargetName) -> None:
        name = f"observe {target}"
        observer = TargetObserver(
            around=self.around,
            target=target,
            ends=self.ends,
            observe_every=self.observe_every,
            statement_every=self.statement_every,
            works=lambda: self.works(name),
            failed=lambda error: self.failed(name, error),
        )
        self.looks[target] = observer.last
        await self._keep(name, observer.run)

    async def _keep_refreshing(self, rota: Rota) -> None:
        """Ask a rota in its own rhythm, also while it is down: it is somebody else's server."""
        name = f"on call {rota.schedule}"
        while True:
            try:
                await refresh_rota(self.around, rota, self.rotas_ahead)
                self.works(name)
            except Exception as error:  # noqa: BLE001  # one rota's bug must not end the loops
                self.failed(name, error)
            await asyncio.sleep(self.refresh_rotas_every.total_seconds())

    def failed(self, name: str, error: BaseException) -> None:
        """Note and log a failure, once for the same words."""
        expected = isinstance(error, ProtemError)
        why = error.message if isinstance(error, ProtemError) else type(error).__name__
        if isinstance(error, ExceptionGroup):
            why = ", ".join(type(inner).__name__ for inner in error.exceptions)
        if self.troubles.get(name) != why:
            _log.error("loop failed", loop=name, error=why, exc_info=None if expected else error)
        self.troubles[name] = why

    def works(self, name: str) -> None:
        """Note that a round went well."""
        if self.troubles.pop(name, None) is not None:
            _log.info("loop works again", loop=name)

    async def _publish(self) -> None:
        with self.around.announcer.watch() as watch:
            while True:
                self.published = await self.around.audit_log.publish()
                self.works("audit")
                await watch.changed(PUBLISH_EVERY)
                await asyncio.sleep(_GATHER_SECONDS)

    async def _keep_time(self) -> None:
        """Keep the clock's mark; that it can be kept shows that the store can be written."""
        while True:
            await keep_time(self.around.store, self.around.clock)
            self.works("store")
            await asyncio.sleep(_KEEP_TIME_EVERY_SECONDS)

    async def _forget_answers(self) -> None:
        def work(transaction: Transaction) -> int:
            oldest = self.around.clock.now() - REMEMBER_ANSWERS
            return transaction.idempotency.forget_before(oldest)

        while True:
            await self.around.store.write(work)
            await forget_old(self.around)
            self.works("answers")
            await asyncio.sleep(_FORGET_EVERY_SECONDS)

    async def _remind_of_reviews(self) -> None:
        while True:
            await remind_of_reviews(self.around)
            self.works("reviews")
            await asyncio.sleep(_REMIND_EVERY_SECONDS)

    async def _keep_sessions(self) -> None:
        while True:
            await asyncio.sleep(_KEEP_SESSIONS_EVERY_SECONDS)
            await keep_sessions(self.around)
            self.works("sessions")
