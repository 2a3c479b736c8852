"""Acknowledged means durable: after a power cut at any moment, what was promised is there whole.

The disk's own record of a run gives thousands of images that a cut may leave, each opened by the
store, or the audit log, as after a restart. The same cuts find losses where syncs are left out.
"""

import asyncio
import errno
import itertools
import json
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.faults.chance import how_many, seeded

from protem.domain import grants
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import AuditUnavailableError, NotFoundError, ProtemError
from protem.storage import connections
from protem.storage.connections import connect, prepare_file
from protem.storage.migrate import migrate
from protem.storage.readers import Readers
from protem.storage.sqlite_store import SqliteStore
from protem.storage.writer import Writer
from protem.testing import store_samples
from protem.testing.lossy_disk.recording import Acknowledged, Recording, images
from protem.testing.lossy_disk.sqlite_files import NotHookableError, Watcher, watched

WORKS = 60
RUNS = 4
CHECKPOINT_PAGES = 24
"""Far fewer than in production, so that each short run has its checkpoints and fresh WALs."""
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder():
    """A folder in memory where there is one: what is cut here is the record, not a disk."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    path = Path(tempfile.mkdtemp(prefix="protem-cuts-", dir=memory if memory.is_dir() else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def event_of(number):
    """The audit event that goes with one work."""
    return AuditEvent(kind="account.changed", at=START, actor="protem", data={"number": number})


def is_approved_by(number):
    """Whether a work also changes the grant of the one before it."""
    return number % 2 and number > 1 and (number - 1) % 7


def work_of(number):
    """Return a work that changes four tables, or (each seventh) raises when it has."""

    def work(tx):
        if is_approved_by(number):
            before = tx.grants.get(store_samples.grant_id(number - 1))
            tx.grants.save(grants.approve(before, lapses_at=START))
        tx.grants.add(store_samples.pending(number))
        tx.requests.add(store_samples.revision(of=number))
        tx.audit.append(event_of(number))
        if number % 7 == 0:
            raise store_samples.Roll

    return work


class FailingSyncs(Watcher):
    """Once told to, fails now and then a sync, and with it all that it was to bring to the disk."""

    def __init__(self, chance):
        self.chance = chance
        self.share, self.failed = 0.0, 0

    def syncing(self, path):
        """Fail by chance."""
        if self.chance.random() < self.share:
            self.failed += 1
            raise OSError(errno.EIO, "the sync failed", path)


async def live(store, recording, chance):
    """Write in groups of a few at a time; note each promise when its caller would hear of it."""
    numbers = iter(range(1, WORKS + 1))

    async def one(number):
        try:
            await store.write(work_of(number))
        except store_samples.Roll:
            assert number % 7 == 0
        except (AuditUnavailableError, NotFoundError):
            pass  # refused, or built on what was
        else:
            recording.acknowledge(number)

    while group := list(itertools.islice(numbers, chance.randrange(5) + 1)):
        await asyncio.gather(*(one(number) for number in group))


async def opened_with(path, synchronous):
    """A store as it would be with another ``synchronous``."""
    prepare_file(path)
    migrate(path)
    connection = connect(path)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return SqliteStore(writer=Writer(connection), readers=Readers(path))


async def recorded(folder, chance, synchronous="as shipped", *, before=None, failing=0.0):
    """Return the record of one run, from an empty folder, or a store made before, to its close."""
    recording, disk = Recording(), FailingSyncs(chance)
    folder.mkdir(mode=0o700)
    path = folder / "protem.db"
    if before is not None:
        shutil.copy(before, path)
        recording.begin_with(str(path), path.read_bytes())
    with watched(folder, disk, recording):
        store = (
            await SqliteStore.open(path)
            if synchronous == "as shipped"
            else await opened_with(path, synchronous)
        )
        disk.share = failing
        await live(store, recording, chance)
        assert bool(disk.failed) == bool(failing)
        promises = sum(isinstance(event, Acknowledged) for event in recording.events)
        assert promises == WORKS - WORKS // 7 or failing
        await store.close()
    return recording


async def found_in(image, folder):
    """Start on what the cut left; return what is wrong, by kind."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, content in image.files.items():
        path = folder / Path(name).name
        path.write_bytes(content)
        path.chmod(0o600)
    path = folder / "protem.db"
    try:
        entries = await went_on(path)
        return judged(image, path, entries)
    except (ProtemError, sqlite3.Error, ValueError, TypeError) as error:
        if is_unborn(image, error):
            return Counter()
        return Counter({f"broken: {type(error).__name__}": 1})


def is_unborn(image, error):
    """Whether the power went while the very first page of a new database was written.

    Then nothing was promised, and SQLite leaves a file that is none: the start says so, and a
    person who has just run ``server init`` for the first time runs it again.
    """
    return not image.promised and "file is not a database" in str(error)


async def went_on(path):
    """Open the store, write once more, and return the log."""
    store = await SqliteStore.open(path)
    try:
        await store.write(lambda tx: tx.audit.append(event_of(0)))
        return await store.read(lambda tx: tx.audit.entries(start=0, limit=10 * WORKS))
    finally:
        await store.close()


def judged(image, path, entries):
    """Compare the rows of the four tables with each other and with what was promised."""
    database = sqlite3.connect(path)
    health = database.execute("pragma integrity_check").fetchall()
    strangers = database.execute("pragma foreign_key_check").fetchall()
    versions = dict(database.execute("select id, version from grants"))
    revised = {row[0] for row in database.execute("select grant_id from request_revisions")}
    database.close()
    logged = [json.loads(entry.body)["data"]["number"] for entry in entries]
    there = {number for number in logged if number}
    wrong = Counter()
    wrong["broken: integrity"] += health != [("ok",)] or strangers != []
    wrong["gap"] += [entry.index for entry in entries] != list(range(len(entries)))
    for number in range(1, WORKS + 1):
        name = str(store_samples.grant_id(number))
        wrong["half"] += len({number in there, name in versions, name in revised}) > 1
        wrong["undone but there"] += number % 7 == 0 and number in there
        approved = is_approved_by(number + 1) and number + 1 in there
        wrong["half"] += name in versions and versions[name] != (2 if approved else 1)
    wrong["lost"] += len(set(image.promised) - there)
    return +wrong


async def power_cuts(folder, what, count, **choices):
    """Record runs, cut each at random moments, and return what all images have wrong."""
    chance = seeded(what)
    started, wrong, promises = time.monotonic(), Counter(), 0
    events, new = 0, folder / "new.db"
    await (await SqliteStore.open(new)).close()
    for run in range(RUNS):
        try:
            # To bring an empty file to the present schema takes long, so one run is enough.
            before = new if run else None
            recording = await recorded(folder / str(run), chance, before=before, **choices)
        except NotHookableError as error:
            pytest.skip(str(error))
        last = len(recording.events)
        moments = sorted(chance.randrange(last + 1) for _ in range(count // RUNS))
        for image in images(recording, moments, chance):
            promises += len(image.promised)
            wrong += await found_in(image, folder / "image")
        events += last
    spent = time.monotonic() - started
    print(
        f"{choices or 'as shipped'}: {count} cuts of {RUNS} runs ({events} events), "
        f"{promises} promises looked for, wrong: {dict(wrong)} ({spent:.0f} s)"
    )
    return wrong


async def test_what_was_acknowledged_survives_any_power_cut(folder, monkeypatch):
    """No acknowledged write is lost, none is there by half, nothing is broken, in any cut."""
    monkeypatch.setattr(connections, "_CHECKPOINT_PAGES", CHECKPOINT_PAGES)
    count = how_many("PROTEM_POWER_CUTS", 5_000)
    assert await power_cuts(folder, "power cuts", count) == Counter()


async def test_what_was_acknowledged_survives_failed_syncs_too(folder, monkeypatch):
    """One sync in ten fails and loses its writes for good: its callers hear of it, nobody else."""
    monkeypatch.setattr(connections, "_CHECKPOINT_PAGES", CHECKPOINT_PAGES)
    count = how_many("PROTEM_POWER_CUTS", 5_000) // 5
    assert await power_cuts(folder, "failed syncs", count, failing=0.1) == Counter()


async def test_the_cuts_find_what_a_store_without_syncs_loses(folder, monkeypatch):
    """With NORMAL the same cuts find acknowledged writes lost, and nothing else wrong."""
    monkeypatch.setattr(connections, "_CHECKPOINT_PAGES", CHECKPOINT_PAGES)
    wrong = await power_cuts(folder, "power cuts, NORMAL", 400, synchronous="NORMAL")
    assert wrong["lost"] > 100
    assert set(wrong) == {"lost"}


async def test_the_cuts_find_what_a_store_that_never_syncs_breaks(folder, monkeypatch):
    """With OFF the same cuts find databases that are broken."""
    monkeypatch.setattr(connections, "_CHECKPOINT_PAGES", CHECKPOINT_PAGES)
    wrong = await power_cuts(folder, "power cuts, OFF", 400, synchronous="OFF")
    assert wrong["lost"] > 100
    assert any(kind.startswith("broken") for kind in wrong)
