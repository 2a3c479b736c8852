"""G9 and G10: durable writes of the store against the same statements run in other ways.

One transaction: insert a request revision, append an audit entry, change one of many grants; with
every constraint and trigger in place and ``synchronous=FULL``. Every peer starts from the same
domain objects and runs the same SQL on a copy of the same database file. Peers, interleaved:

- raw: one thread, no queue, no futures, a savepoint each and one COMMIT for 32;
- aiosqlite: one connection behind a lock, one COMMIT each, 64 clients;
- SQLAlchemy async on aiosqlite: the same with Core's engine, 64 clients;
- one ``fdatasync`` of a page, for the latency of one write in flight.

Goals: rate at least 0.7, 20 and 50 times the first three; latency at most 2.5 times the last.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import sqlalchemy as sa
from measuring import figure
from sqlalchemy.ext.asyncio import create_async_engine

from protem.domain import audit_events, grants
from protem.domain.audit_events import AuditEvent
from protem.domain.grants import Grant
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.storage import statements
from protem.storage.connections import connect, prepare_file
from protem.storage.grant_rows import to_row
from protem.storage.migrate import migrate
from protem.storage.request_rows import from_revision
from protem.storage.sqlite_store import SqliteStore
from protem.testing.store_samples import START, pending, revision

CLIENTS = 64
GROUP = 32
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one transaction stores."""

    grant: Grant
    revision: RequestRevision
    event: AuditEvent


def make_items(count: int) -> list[Item]:
    """Return ``count`` transactions on grants of their own."""
    items = []
    for number in range(count):
        grant = grants.retry(pending(number), due_at=START, error="later")
        asked = revision(of=number)
        event = audit_events.attempt_failed(grant, START)
        items.append(Item(grant=grant, revision=asked, event=event))
    return items


def make_template(path: Path, count: int) -> None:
    """Make a database with ``count`` grants."""
    prepare_file(path)
    migrate(path)
    connection = connect(path)
    connection.execute("BEGIN")
    rows = (to_row(pending(number)) for number in range(count))
    connection.executemany(statements.GRANT_ADD, rows)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def rows_of(item: Item) -> tuple[Row, bytes, Row]:
    """Map as the store does."""
    row = to_row(item.grant)
    row["grant_id"] = item.grant.id
    return from_revision(item.revision), item.event.canonical_bytes(), row


async def ours(path: Path, items: Sequence[Item]) -> float:
    """Return transactions a second of the store."""
    store = await SqliteStore.open(path)

    def work(item: Item) -> Callable[[Transaction], None]:
        def run(transaction: Transaction) -> None:
            transaction.requests.add(item.revision)
            transaction.audit.append(item.event)
            transaction.grants.save(item.grant)

        return run

    async def one(item: Item) -> None:
        await store.write(work(item))

    rate = await _by_clients(one, items)
    await store.close()
    return rate


async def ours_alone(path: Path, items: Sequence[Item]) -> float:
    """Return the median seconds of one write with nothing else in flight."""
    store = await SqliteStore.open(path)
    taken = []
    for item in items:

        def run(transaction: Transaction, item: Item = item) -> None:
            transaction.requests.add(item.revision)
            transaction.audit.append(item.event)
            transaction.grants.save(item.grant)

        started = time.perf_counter()
        await store.write(run)
        taken.append(time.perf_counter() - started)
    await store.close()
    return statistics.median(taken)


def raw(path: Path, items: Sequence[Item]) -> float:
    """Return transactions a second of one thread that commits 32 at once."""
    connection = connect(path)
    execute = connection.execute
    started = time.perf_counter()
    for first in range(0, len(items), GROUP):
        execute("BEGIN IMMEDIATE")
        for item in items[first : first + GROUP]:
            execute("SAVEPOINT work")
            request, body, row = rows_of(item)
            execute(statements.REVISION_ADD, request)
            last = execute(statements.ENTRY_LAST).fetchone()
            position = 0 if last is None else last[0] + 1
            execute(statements.ENTRY_ADD, {"position": position, "body": body})
            execute(statements.GRANT_SAVE, row)
            execute("RELEASE work")
        execute("COMMIT")
    rate = len(items) / (time.perf_counter() - started)
    connection.close()
    return rate


async def by_aiosqlite(path: Path, items: Sequence[Item]) -> float:
    """Return transactions a second through aiosqlite."""
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA foreign_keys = ON")
        await connection.execute("PRAGMA synchronous = FULL")
        lock = asyncio.Lock()

        async def one(item: Item) -> None:
            request, body, row = rows_of(item)
            async with lock:
                await connection.execute("BEGIN IMMEDIATE")
                await connection.execute(statements.REVISION_ADD, request)
                found = await connection.execute(statements.ENTRY_LAST)
                last = await found.fetchone()
                position = 0 if last is None else last[0] + 1
                entry = {"position": position, "body": body}
                await connection.execute(statements.ENTRY_ADD, entry)
                await connection.execute(statements.GRANT_SAVE, row)
                await connection.execute("COMMIT")

        return await _by_clients(one, items)


async def by_sqlalchemy(path: Path, items: Sequence[Item]) -> float:
    """Return transactions a second through SQLAlchemy's async engine."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @sa.event.listens_for(engine.sync_engine, "connect")
    def configure(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    add, last_entry = sa.text(statements.REVISION_ADD), sa.text(statements.ENTRY_LAST)
    add_entry, save = sa.text(statements.ENTRY_ADD), sa.text(statements.GRANT_SAVE)
    lock = asyncio.Lock()

    async def one(item: Item) -> None:
        request, body, row = rows_of(item)
        async with lock, engine.begin() as connection:
            await connection.execute(add, request)
            last = (await connection.execute(last_entry)).scalar()
            entry = {"position": 0 if last is None else last + 1, "body": body}
            await connection.execute(add_entry, entry)
            await connection.execute(save, row)

    rate = await _by_clients(one, items)
    await engine.dispose()
    return rate


def one_fdatasync(folder: Path) -> float:
    """Return the median seconds of writing a page and waiting for the disk."""
    taken = []
    with (folder / "page").open("wb", buffering=0) as file:
        for _ in range(300):
            started = time.perf_counter()
            file.write(b"\x00" * 4096)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


async def _by_clients(one: Callable[[Item], object], items: Sequence[Item]) -> float:
    waiting = iter(items)

    async def client() -> None:
        for item in waiting:
            await one(item)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(items) / (time.perf_counter() - started)


def main() -> None:
    """Run the peers in turn and print ratios of the medians."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--grants", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--writes", type=int, default=20_000)
    asked = options.parse_args()
    items = make_items(asked.writes)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        template = folder / "template.db"
        make_template(template, max(asked.grants, asked.writes))

        def note(what: str, run: Callable[[Path], float]) -> None:
            copy = folder / "copy.db"
            shutil.copy(template, copy)
            os.sync()
            rates.setdefault(what, []).append(run(copy))
            for file in folder.glob("copy.db*"):
                file.unlink()

        for _ in range(asked.rounds):
            note("ours", lambda path: asyncio.run(ours(path, items)))
            note("raw", lambda path: raw(path, items))
            note("aiosqlite", lambda path: asyncio.run(by_aiosqlite(path, items[:1_000])))
            note("sqlalchemy", lambda path: asyncio.run(by_sqlalchemy(path, items[:500])))
            note("alone", lambda path: asyncio.run(ours_alone(path, items[:500])))
            rates.setdefault("fdatasync", []).append(one_fdatasync(folder))
    report({what: statistics.median(found) for what, found in rates.items()}, asked.rounds)


def report(median: dict[str, float], rounds: int) -> None:
    """Print figures and ratios."""
    print(f"SQLite {sqlite3.sqlite_version}, {CLIENTS} clients, medians of {rounds} rounds")
    for what in ("ours", "raw", "aiosqlite", "sqlalchemy"):
        print(f"  {what:<12} {median[what]:>9,.0f} transactions/s")
    for what, goal in (("raw", 0.7), ("aiosqlite", 20), ("sqlalchemy", 50)):
        figure("G9", f"writes/s, ours to {what}", median["ours"] / median[what], f">={goal}")
    print(f"  one write alone {median['alone'] * 1e3:.3f} ms p50")
    print(f"  one fdatasync   {median['fdatasync'] * 1e3:.3f} ms p50")
    ratio = median["alone"] / median["fdatasync"]
    figure("G10", "one write alone, p50, to one fdatasync", ratio, "<=2.5")


if __name__ == "__main__":
    main()
