"""The store on SQLite: private files, nothing granted when it fails, safe beside itself."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from protem.domain import audit_events, grants
from protem.domain.errors import AuditUnavailableError, ConflictError, InvalidError
from protem.storage.sqlite_store import SqliteStore
from protem.testing.store_samples import ANNA, EVENT, HOSTILE, MINUTE, START, grant_id, pending


@pytest.fixture
def path(tmp_path):
    """Where the database is."""
    return tmp_path / "protem.db"


@pytest.fixture
async def store(path):
    """An open store."""
    store = await SqliteStore.open(path)
    yield store
    await store.close()


def size(transaction):
    """How many entries there are."""
    return transaction.audit.size()


def append(transaction):
    """Add one entry."""
    return transaction.audit.append(EVENT)


async def test_files_are_private_whatever_the_umask(path):
    """Database, WAL and shared memory are 0600 even under umask 0."""
    before = os.umask(0)
    try:
        store = await SqliteStore.open(path)
        await store.write(append)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        await store.close()
    finally:
        os.umask(before)
    assert modes == {"protem.db": 0o600, "protem.db-wal": 0o600, "protem.db-shm": 0o600}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
async def test_a_file_that_others_can_use_is_refused(path, suffix, mode):
    """Wide permissions on any of the files stop the start, and the message says the cure."""
    (await _closed(path)).with_name(path.name + suffix).touch()
    path.with_name(path.name + suffix).chmod(mode)
    with pytest.raises(InvalidError) as refused:
        await SqliteStore.open(path)
    assert refused.value.next_step == f"chmod 600 {path}{suffix}"


async def test_what_is_no_file_is_refused(tmp_path):
    """A link or a folder in the database's place is refused."""
    link = tmp_path / "link.db"
    link.symlink_to(await _closed(tmp_path / "real.db"))
    for wrong in (link, tmp_path):
        with pytest.raises(InvalidError):
            await SqliteStore.open(wrong)
    with pytest.raises(AuditUnavailableError):
        await SqliteStore.open(tmp_path / "absent" / "protem.db")


async def test_what_is_no_database_is_refused(path):
    """A file of something else is left alone."""
    path.write_bytes(b"not a database, but precious" * 100)
    path.chmod(0o600)
    with pytest.raises(AuditUnavailableError):
        await SqliteStore.open(path)
    assert path.read_bytes().startswith(b"not a database")


async def test_what_was_written_is_there_after_reopening(path):
    """Closing and opening again finds everything."""
    store = await SqliteStore.open(path)
    await store.write(lambda tx: tx.grants.add(pending()))
    await store.close()
    store = await SqliteStore.open(path)
    assert await store.read(lambda tx: tx.grants.get(grant_id(1))) == pending()
    await store.close()


async def test_close_drains(path):
    """Work that was queued before close is committed by it."""
    store = await SqliteStore.open(path)
    queued = [asyncio.ensure_future(store.write(append)) for _ in range(200)]
    await asyncio.sleep(0)
    await store.close()
    assert sorted(await asyncio.gather(*queued)) == list(range(200))


async def test_a_full_disk_grants_nothing_and_loses_nothing(store):
    """When pages run out, writes fail clearly, what was there stays, and room makes it work."""
    assert await store.write(append) == 0
    used = store._writer._connection.execute("PRAGMA page_count").fetchone()[0]
    store._writer._connection.execute(f"PRAGMA max_page_count = {used + 4}")

    def fill(transaction):
        for _ in range(100):
            transaction.audit.append(audit_events.account_changed(HOSTILE, ANNA, "x", START))

    failed = await asyncio.gather(*(store.write(fill) for _ in range(8)), return_exceptions=True)
    assert all(isinstance(error, AuditUnavailableError) for error in failed)
    assert await store.read(size) == 1
    store._writer._connection.execute("PRAGMA max_page_count = 100000")
    assert await store.write(append) == 1


async def test_swallowing_a_storage_error_does_not_commit_the_rest(store):
    """After the transaction broke, nothing that work still does is kept."""
    used = store._writer._connection.execute("PRAGMA page_count").fetchone()[0]
    store._writer._connection.execute(f"PRAGMA max_page_count = {used + 4}")

    def stubborn(transaction):
        for _ in range(100):
            try:
                transaction.audit.append(audit_events.account_changed(HOSTILE, ANNA, "x", START))
            except AuditUnavailableError:
                continue
        return "done"

    with pytest.raises(AuditUnavailableError):
        await store.write(stubborn)
    assert await store.read(size) == 0


async def test_a_lock_held_elsewhere_fails_clearly(store, path):
    """A writer that waits too long for another process is told; then it works again."""
    store._writer._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AuditUnavailableError, match="locked"):
        await store.write(append)
    assert await store.read(size) == 0
    other.execute("ROLLBACK")
    other.close()
    assert await store.write(append) == 0


async def test_a_database_that_cannot_be_written_grants_nothing(store):
    """Writes on a read-only database fail clearly; reads go on."""
    store._writer._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(AuditUnavailableError, match="readonly"):
        await store.write(append)
    assert await store.read(size) == 0


async def test_a_failed_commit_is_told_to_the_whole_group(store):
    """When COMMIT itself fails, every work of the group gets the error and none is kept."""
    real = store._writer._connection

    class FailsToCommit:
        def __getattr__(self, name):
            return getattr(real, name)

        def execute(self, text, *parameters):
            if text == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return real.execute(text, *parameters)

    store._writer._connection = FailsToCommit()
    done = await asyncio.gather(*(store.write(append) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(error, AuditUnavailableError) for error in done)
    store._writer._connection = real
    assert await store.read(size) == 0
    assert await store.write(append) == 0


async def test_a_transaction_is_not_to_be_kept(store):
    """A transaction used after its work is over refuses."""
    for run in (store.write, store.read):
        kept = await run(lambda tx: tx)
        with pytest.raises(InvalidError):
            kept.audit.size()


async def test_a_cancelled_caller_harms_nobody(store):
    """Callers that give up leave the others' work whole."""
    tasks = [asyncio.ensure_future(store.write(append)) for _ in range(60)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [index for index in done if isinstance(index, int)]
    assert len(kept) == len(set(kept)) == 30
    assert await store.read(size) >= 30


async def test_reads_see_one_snapshot(store):
    """What is committed during a read does not show in it."""
    loop = asyncio.get_running_loop()

    def slow(transaction):
        before = transaction.audit.size()
        asyncio.run_coroutine_threadsafe(store.write(append), loop).result(10)
        return before, transaction.audit.size()

    assert await store.read(slow) == (0, 0)
    assert await store.read(size) == 1


async def test_text_that_is_no_text_is_refused(store):
    """A lone surrogate in a comment is the caller's error, not the store's."""
    with pytest.raises(InvalidError):
        await store.write(lambda tx: tx.idempotency.get(ANNA, "\ud800"))


async def test_two_processes_share_one_database(store, path):
    """Writers in two processes lose nothing, leave no gap, and claim each grant once."""
    for number in range(40):
        await store.write(lambda tx, number=number: tx.grants.add(pending(number)))
    arguments = [sys.executable, __file__, str(path)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    programs = [
        subprocess.Popen(  # noqa: ASYNC220  # starts at once; the wait is in a thread
            [*arguments, owner], env=environment, stdout=subprocess.PIPE
        )
        for owner in ("a", "b")
    ]
    outs = [(await asyncio.to_thread(each.communicate, None, 60))[0].decode() for each in programs]
    assert [program.returncode for program in programs] == [0, 0]
    claimed = sorted(" ".join(outs).split())
    assert claimed == [str(grant_id(number)) for number in range(40)]
    assert await store.read(size) == 100


async def test_a_change_read_before_another_processs_is_refused(store, path):
    """Versions fence what two processes read at the same time."""
    other = await SqliteStore.open(path)
    await store.write(lambda tx: tx.grants.add(pending()))
    seen = await other.read(lambda tx: tx.grants.get(grant_id(1)))
    await store.write(lambda tx: tx.grants.save(grants.deny(pending(), at=START)))
    with pytest.raises(ConflictError):
        await other.write(lambda tx: tx.grants.save(grants.cancel(seen, at=START)))
    await other.close()


async def _closed(path):
    await (await SqliteStore.open(path)).close()
    return path


async def _work(store, owner):
    """Claim what there is, one at a time, and write 50 entries."""
    claimed = []
    for _ in range(50):
        await store.write(append)
        claimed += await store.write(
            lambda tx: tx.work.claim(now=START, until=START + MINUTE, owner=owner, limit=1)
        )
    return [str(grant.id) for grant in claimed]


async def _process(path, owner):
    from pathlib import Path  # noqa: PLC0415  # only when run as a program

    store = await SqliteStore.open(Path(path))
    print(*await _work(store, owner))  # read by the test
    await store.close()


if __name__ == "__main__":
    asyncio.run(_process(*sys.argv[1:]))
