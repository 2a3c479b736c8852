"""Real control planes that wait at every port call until they are let on.

Here: the gate, and the ports behind it. A call through the store's gate waits twice: before it is
done, and before its answer is given. A call to the target waits once; what the target does, and
what is answered, is for the one who lets it on. Not here: when that is (``replay_on_code``).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Surroundings
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.manual_clock import ManualClock

AT_STORE, DONE, AT_PROVISION, AT_END = "at the store", "done there", "provision", "end"


class DivergedError(AssertionError):
    """The code did not do what the model does."""


class Gate:
    """Where the tasks of one control plane wait to be let on."""

    def __init__(self) -> None:
        self.at = ""
        self.call: tuple = ()
        self.is_open = False
        self._waiting: asyncio.Future | None = None

    async def wait(self, at: str, *call):
        """Wait for ``let``; return what it gives."""
        if self.is_open:
            return None
        if self._waiting is not None:
            raise DivergedError(f"two tasks of one process work at once: {self.at} and {at}")
        self.at, self.call = at, call
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            return await self._waiting
        finally:
            self.at, self.call, self._waiting = "", (), None

    async def let(self, at: str, answer=None) -> None:
        """Let on what waits at ``at``, with this answer or error."""
        if self.at != at or self._waiting is None:
            raise DivergedError(f"the code is {self.at or 'nowhere'}, not {at}")
        if isinstance(answer, Exception):
            self._waiting.set_exception(answer)
        else:
            self._waiting.set_result(answer)
        await settle()


class GatedStore:
    """The store, behind a gate."""

    def __init__(self, store: InMemoryStore, gate: Gate) -> None:
        self.store, self.gate = store, gate

    async def write(self, work):
        """Wait, run the transaction, wait again."""
        await self.gate.wait(AT_STORE)
        result = await self.store.write(work)
        await self.gate.wait(DONE)
        return result

    async def read(self, work):
        """As ``write``, but only before."""
        await self.gate.wait(AT_STORE)
        return await self.store.read(work)


class GatedConnector:
    """A connector whose calls are the trace's to carry out and to answer."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def provision(self, order, public_half):
        """Wait for the answer."""
        return await self.gate.wait(AT_PROVISION, order, public_half)

    async def end(self, grant_id):
        """Wait for the answer."""
        await self.gate.wait(AT_END, grant_id)


class SlowClock:
    """The target's clock: behind by a fixed time."""

    def __init__(self, clock: ManualClock, behind: timedelta) -> None:
        self.clock, self.behind = clock, behind

    def now(self):
        """Return the moment."""
        return self.clock.now() - self.behind


@dataclass(slots=True)
class RealPlane:
    """One run of a control plane."""

    gate: Gate
    gated: Surroundings
    reconciler: ReconcileGrants
    around: Surroundings  # for the use cases, which are one transaction each: without a gate
    waiting: list = field(default_factory=list)  # leased; the task has no slot yet
    tasks: list = field(default_factory=list)
    answer: object = None

    def hold(self, grants) -> None:
        """Take leased grants as ``_start`` does, which lets them wait for a slot."""
        self.waiting += grants
        if self.at_work:
            self.start()

    def start(self) -> None:
        """Give every waiting grant its slot."""
        finish = self.reconciler._finish
        self.tasks = self.at_work + [asyncio.create_task(finish(one)) for one in self.waiting]
        self.waiting = []

    def handed(self) -> list:
        """Take what use cases handed over."""
        queue = self.reconciler._handed
        return [queue.get_nowait() for _ in range(queue.qsize())]

    async def kill(self) -> None:
        """End its tasks, those that wait for others first, so that none goes on."""
        tasks = self.at_work[::-1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.tasks, self.waiting = [], []

    @property
    def at_work(self) -> list:
        """The tasks that are not over."""
        return [task for task in self.tasks if not task.done()]


@dataclass(frozen=True, slots=True)
class QueueOf:
    """The reconciler as a work queue, asked for when it exists."""

    reconciler: object

    @property
    def owner(self):
        return self.reconciler().owner

    def hand_over(self, grant) -> None:
        self.reconciler().hand_over(grant)


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(12):
        await asyncio.sleep(0)
