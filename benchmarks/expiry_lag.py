"""G11, end to end: how late a grant is ended, with few and with very many others active.

The real reconciler on the real store (SQLite, FULL) against a connector that ends at once, so that
what is measured is ours. In stores of 1,000, 100,000 and 1,000,000 active grants, two hundred
expire within three seconds; the lag is from a grant's expiry to the call that ends it at the
target. Limits: the worst under one second; the median and the memory at 1,000,000 no more than
1.2 times those at 1,000 (flat). Each size is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from expiry_scan import SECOND, fill
from measuring import figure

from protem.domain.grants import GrantState
from protem.domain.identifiers import GrantId
from protem.domain.targets import Target
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Surroundings
from protem.storage.grant_rows import to_row
from protem.storage.sqlite_store import SqliteStore
from protem.system.announcer import LocalAnnouncer
from protem.testing.counting_randomness import InsecureCountingRandomness
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.in_memory_identity import InMemoryIdentity
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.in_memory_policy import InMemoryPolicy
from protem.testing.store_samples import ORDERS_DB, START, grant_id, life

EXPIRING = 200
FIRST_SECONDS, LAST_SECONDS = 1.0, 4.0
GRACE_SECONDS = 3.0
"""Three times the limit: whoever is later is missing."""
ROUNDS = 3


class RunningClock:
    """Starts when told, at a moment that the prepared rows know."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def now(self) -> datetime:
        """Return the sample's start plus the time since."""
        return START + timedelta(seconds=time.monotonic() - self._started)


class EndsAtOnce(InMemoryConnector):
    """Notes when each grant's end reached the target."""

    ended_at: dict[GrantId, datetime]

    async def end(self, grant_id: GrantId) -> None:
        """Note the moment."""
        self.ended_at[grant_id] = self.target.clock.now()


class NoSigner:
    """Nothing is activated here, so nothing is signed."""

    key_id = "none"
    public_key = b""

    def sign(self, message: bytes) -> bytes:
        """Refuse."""
        raise AssertionError(message)


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Return ``count`` grants good for a day, of which some expire in the measured window."""
    active = to_row(life()[GrantState.ACTIVE][-1])
    shuffled = random.Random(1)
    start = round(START.astimezone(UTC).timestamp()) * SECOND
    for number in range(count):
        due = start + 86_400 * SECOND
        if number < EXPIRING:
            due = start + int(shuffled.uniform(FIRST_SECONDS, LAST_SECONDS) * SECOND)
        moments = {"expires_at": due, "due_at": due, "activated_at": start - 60 * SECOND}
        yield active | moments | {"id": grant_id(number)}


async def lags(path: Path) -> list[float]:
    """Run the reconciler over the window and return each expired grant's lag in seconds."""
    store = await SqliteStore.open(path)
    clock = RunningClock()
    connector = EndsAtOnce(clock, name=ORDERS_DB)
    connector.ended_at = {}
    catalogue = InMemoryCatalogue()
    catalogue.declare(Target(name=ORDERS_DB, scheme="x"), connector, InMemoryPlanner({}))
    reconciler = ReconcileGrants(lambda: around, owner="benchmark")
    around = Surroundings(
        store=store,
        policy=InMemoryPolicy(),
        catalogue=catalogue,
        identity=InMemoryIdentity(),
        clock=clock,
        randomness=InsecureCountingRandomness(),
        audit_log=InMemoryAuditLog(store),
        order_signer=NoSigner(),
        announcer=LocalAnnouncer(),
        work_queue=reconciler,
    )
    wanted = {grant_id(number) for number in range(EXPIRING)}
    grants = await store.read(lambda view: {one: view.grants.get(one) for one in wanted})
    working = asyncio.create_task(reconciler.run())
    await asyncio.sleep(LAST_SECONDS + GRACE_SECONDS)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await store.close()
    missing = wanted - set(connector.ended_at)
    if missing:
        sys.exit(f"{len(missing)} grants were not ended at all")
    return [
        (connector.ended_at[one] - (grants[one].expires_at or START)).total_seconds()
        for one in wanted
    ]


def measured(size: int) -> dict[str, float]:
    """Measure one size in a process of its own."""
    command = [sys.executable, __file__, "--one", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one(size: int) -> None:
    """Prepare, measure and print one size."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "grants.db"
        subprocess.run([sys.executable, __file__, "--fill", str(size), str(path)], check=True)
        found = sorted(asyncio.run(lags(path)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if found[0] < 0:
        sys.exit(f"a grant was ended {-found[0]:.6f} s before its time")
    print(json.dumps({"median": statistics.median(found), "worst": found[-1], "peak_mib": peak}))


def main() -> None:
    """Measure every size in turn, three rounds, and print lags and memory."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    options.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options.add_argument("--fill", nargs=2, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.fill:
        fill(Path(asked.fill[1]), rows(int(asked.fill[0])))
        return
    if asked.one:
        one(asked.one)
        return
    rounds = [{size: measured(size) for size in asked.sizes} for _ in range(ROUNDS)]
    small, large = asked.sizes[0], asked.sizes[-1]
    for size in asked.sizes:
        median = statistics.median(found[size]["median"] for found in rounds) * 1e3
        worst = max(found[size]["worst"] for found in rounds) * 1e3
        peak = statistics.median(found[size]["peak_mib"] for found in rounds)
        print(
            f"{size:>9,} active: late {median:.1f} ms median, {worst:.1f} ms worst; {peak:.0f} MiB"
        )
    worst = max(found[size]["worst"] for found in rounds for size in asked.sizes)
    figure("G11", "worst lag in seconds, of one second", worst, "<=1")
    for what in ("median", "peak_mib"):
        ratios = [found[large][what] / found[small][what] for found in rounds]
        figure("G11", f"{what}, {large:,} of {small:,}", statistics.median(ratios), "<=1.2", ratios)


if __name__ == "__main__":
    main()
