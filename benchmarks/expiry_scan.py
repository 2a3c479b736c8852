"""G11: what it costs to know what is due, and to claim it, with few and very many active grants.

The store's own statements on databases of 1,000, 100,000 and 1,000,000 active grants. Asked: the
next due moment, inside one read (no thread hop); a whole read of it; a claim that finds nothing;
a claim of 200, each grant once. The peer is ourselves at 1,000; and for scale, the same question
without the index. Goal: at 1,000,000 at most 1.2 times the cost at 1,000.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from measuring import figure

from protem.domain.grants import GrantState
from protem.ports.store import Transaction
from protem.storage import statements
from protem.storage.connections import connect, prepare_file
from protem.storage.grant_rows import to_row
from protem.storage.migrate import migrate
from protem.storage.sqlite_store import SqliteStore
from protem.storage.triggers import sqlite_triggers
from protem.testing.store_samples import START, grant_id, life

ASKS = 2_000
BATCH = 200
BATCHES = 4
SECOND = 1_000_000


def fill(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Make a database of the active grants in ``rows``."""
    prepare_file(path)
    migrate(path)
    connection = connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute("DROP TRIGGER grants_begin")  # these begin in the middle of their lives
    connection.executemany(statements.GRANT_ADD, rows)
    connection.execute(sqlite_triggers()["grants_begin"])
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def rows_due_within_a_day(count: int) -> Iterator[dict[str, Any]]:
    """Return ``count`` active grants that fall due in a random order."""
    active = to_row(life()[GrantState.ACTIVE][-1])
    start = active["activated_at"]
    shuffled = random.Random(1)
    for number in range(count):
        due = start + SECOND + shuffled.randrange(86_400 * SECOND)
        yield active | {"id": grant_id(number), "expires_at": due, "due_at": due}


async def measure(path: Path) -> dict[str, float]:
    """Return microseconds for each question."""
    store = await SqliteStore.open(path)

    def ask(transaction: Transaction) -> float:
        started = time.perf_counter()
        for _ in range(ASKS):
            transaction.work.next_due()
        return (time.perf_counter() - started) / ASKS * 1e6

    def claim_nothing(transaction: Transaction) -> float:
        started = time.perf_counter()
        for _ in range(ASKS):
            transaction.work.claim(now=START, until=START, owner="a", limit=BATCH)
        return (time.perf_counter() - started) / ASKS * 1e6

    def claim(transaction: Transaction) -> float:
        now = START + timedelta(days=2)
        started = time.perf_counter()
        claimed = transaction.work.claim(
            now=now, until=now + timedelta(minutes=1), owner="a", limit=BATCH
        )
        return (time.perf_counter() - started) / len(claimed) * 1e6

    found = {"next due": await store.read(ask), "claim, none due": await store.write(claim_nothing)}
    reads = []
    for _ in range(300):
        started = time.perf_counter()
        await store.read(lambda transaction: transaction.work.next_due())
        reads.append((time.perf_counter() - started) * 1e6)
    found["whole read"] = statistics.median(reads)
    claims = [await store.write(claim) for _ in range(BATCHES)]
    found["claim, each"] = statistics.median(claims)
    await store.close()
    found["unindexed"] = _unindexed(path)
    return found


def _unindexed(path: Path) -> float:
    """Return microseconds of the earliest due moment without the index."""
    connection = connect(path, read_only=True)
    connection.execute("SELECT id FROM grants LIMIT 1").fetchone()  # opens the file and its schema
    started = time.perf_counter()
    connection.execute("SELECT min(due_at) FROM grants NOT INDEXED WHERE due_at > 0").fetchone()
    taken = (time.perf_counter() - started) * 1e6
    connection.close()
    return taken


def main() -> None:
    """Measure each size in turn, several rounds, and print ratios to the smallest."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    rounds: dict[int, list[dict[str, float]]] = {size: [] for size in asked.sizes}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for size in asked.sizes:
            fill(Path(folder) / f"{size}.db", rows_due_within_a_day(size))
        for _ in range(asked.rounds):
            for size in asked.sizes:
                path = Path(folder) / f"{size}.db"
                rounds[size].append(asyncio.run(measure(path)))
                _free_leases(path)
    smallest = asked.sizes[0]
    for what in rounds[smallest][0]:
        first = statistics.median(found[what] for found in rounds[smallest])
        for size in asked.sizes:
            median = statistics.median(found[what] for found in rounds[size])
            ratio = median / first
            print(f"{what:<16} {size:>9,} active {median:>10.1f} us {ratio:>8.2f}x")
            if what in ("next due", "claim, none due") and size != smallest:
                figure("G11", f"{what}, {size:,} active, of {smallest:,}", ratio, "<=1.2")


def _free_leases(path: Path) -> None:
    connection = connect(path)
    connection.execute("UPDATE grants SET lease_owner = NULL, lease_until = NULL")
    connection.close()


if __name__ == "__main__":
    main()
