"""A program: one of several reconcilers over one store and one target, which can stop itself.

Run as ``python -m tests.faults.reconciling_process SETTINGS``. It opens the control plane of the
settings file without holding its state folder, as account commands do, and only reconciles. Each
line on its standard input names a point, for example ``after a claim``: the next time it gets there
it stops (SIGSTOP), writing nothing. Leases are short and clocks agree, so that a takeover takes a
second instead of half a minute; all else is as served.
"""

import asyncio
import os
import signal
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from protem.bootstrap.control_plane import open_control_plane
from protem.bootstrap.settings import load_settings
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Limits

SKEW = timedelta(milliseconds=100)
CALL = timedelta(milliseconds=700)
LIMITS = Limits(
    lease=timedelta(seconds=1),
    retry_first=timedelta(milliseconds=50),
    retry_longest=timedelta(milliseconds=500),
)
WRITES = {"_claim": "a claim", "_if_still_ours": "a renewal", "_record": "an outcome"}
"""What the reconciler writes, by the method that does; the test fails when one is not met."""
CALLS = ("the target's provision", "the target's end")
POINTS = [f"{side} {what}" for what in (*WRITES.values(), *CALLS) for side in ("before", "after")]


def shorten_times():
    """One machine, one clock: the margins between clocks need not be seconds."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("protem."):
            if hasattr(module, "MOST_CLOCK_SKEW"):
                module.MOST_CLOCK_SKEW = SKEW
            if hasattr(module, "CALL_TIMEOUT"):
                module.CALL_TIMEOUT = CALL


class Stops:
    """Stops this process at the point that was asked for last."""

    def __init__(self):
        self.wanted = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in sys.stdin:
            self.wanted = line.strip()

    def pass_by(self, point):
        """Stop here if that was asked for."""
        if point == self.wanted:
            self.wanted = ""
            os.kill(os.getpid(), signal.SIGSTOP)


class WatchedStore:
    """The store, with a point before and after each write of the reconciler."""

    def __init__(self, store, stops):
        self._store, self._stops = store, stops
        self.read, self.close = store.read, store.close

    async def write(self, work):
        """Write between two points named after the method that asked."""
        name = WRITES.get(work.__qualname__.split(".")[1], "another write")
        self._stops.pass_by(f"before {name}")
        result = await self._store.write(work)
        self._stops.pass_by(f"after {name}")
        return result


class WatchedConnector:
    """A connector, with a point before and after each call that changes something."""

    def __init__(self, connector, stops):
        self._connector, self._stops = connector, stops
        self.capabilities, self.observe = connector.capabilities, connector.observe
        self.close = connector.close

    async def provision(self, order, public_half):
        """Provision between two points."""
        return await self._between("provision", self._connector.provision(order, public_half))

    async def end(self, grant_id):
        """End between two points."""
        return await self._between("end", self._connector.end(grant_id))

    async def _between(self, name, call):
        self._stops.pass_by(f"before the target's {name}")
        answer = await call
        self._stops.pass_by(f"after the target's {name}")
        return answer


class WatchedCatalogue:
    """The catalogue, with watched connectors."""

    def __init__(self, catalogue, stops):
        self._catalogue, self._stops = catalogue, stops
        self.targets, self.target, self.planner = (
            catalogue.targets,
            catalogue.target,
            catalogue.planner,
        )

    def connector(self, name):
        """Return the target's connector, watched."""
        return WatchedConnector(self._catalogue.connector(name), self._stops)


async def reconcile(settings):
    """Reconcile until killed."""
    stops = Stops()
    async with open_control_plane(load_settings(settings), settings.parent, serving=False) as plane:
        # After everything is imported, and before anything is asked.
        shorten_times()
        around = replace(
            plane.around,
            store=WatchedStore(plane.around.store, stops),
            catalogue=WatchedCatalogue(plane.around.catalogue, stops),
            limits=LIMITS,
        )
        reconciler = ReconcileGrants(lambda: around, owner=plane.around.work_queue.owner)
        around.catalogue.connector(around.catalogue.targets()[0].name)  # imports its adapter
        shorten_times()
        await reconciler.run()


if __name__ == "__main__":
    asyncio.run(reconcile(Path(sys.argv[1])))
