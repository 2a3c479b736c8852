"""Whatever is cut off, deleted or swapped, the log says so or is finished by the next publish."""

import asyncio
import os
import resource
import shutil
import threading
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files, publisher
from protem.audit.durable_files import Disk
from protem.audit.publisher import AuditPublisher
from protem.audit.verifier import verify_log
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import AuditUnavailableError
from protem.signing.local_key import LocalKey
from protem.testing.in_memory_store import InMemoryStore

ORIGIN = "protem.test/log"
SIGNER = LocalKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEY = checkpoints.key_of(SIGNER, ORIGIN)


class CrashingDisk(Disk):
    """Fails for good at one operation, which it does by half."""

    def __init__(self, at):
        self.at = at
        self.count = 0

    def _tick(self):
        self.count += 1
        if self.count > self.at:
            raise OSError(5, "crash")
        return self.count == self.at

    def append(self, descriptor, data):
        """Write half of it at the chosen moment."""
        if self._tick():
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(5, "crash")
        super().append(descriptor, data)

    def sync(self, descriptor):
        """Fail at the chosen moment."""
        if self._tick():
            raise OSError(5, "crash")
        super().sync(descriptor)

    def rename(self, source, destination):
        """Rename, and fail after it, at the chosen moment."""
        now = self._tick()
        super().rename(source, destination)
        if now:
            raise OSError(5, "crash")


class SlowDisk(Disk):
    """Does not return from a sync until told."""

    def __init__(self):
        self.go_on = threading.Event()

    def sync(self, descriptor):
        """Wait."""
        self.go_on.wait(20)
        super().sync(descriptor)


async def happen(store, count, salt=""):
    """Store ``count`` events."""
    for number in range(count):
        event = AuditEvent(
            kind="account.changed",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            actor="protem",
            data={"number": number, "salt": salt},
        )
        await store.write(lambda tx, event=event: tx.audit.append(event))


def publisher_of(store, folder, disk=None):
    """A publisher as a new process would make it."""
    return AuditPublisher(store=store, signer=SIGNER, folder=folder, origin=ORIGIN, disk=disk)


async def published(store, folder):
    """Publish once and let go."""
    log = publisher_of(store, folder)
    try:
        return await log.publish()
    finally:
        await log.close()


def signed_heads(folder):
    """Every head that left the signer."""
    path = folder / log_files.HISTORY
    notes, _ = log_files.split_history(path.read_bytes() if path.exists() else b"")
    return {checkpoints.verify(note, KEY) for note in notes}


async def test_a_crash_at_any_operation_is_finished_by_the_next_publish(tmp_path):
    """Crash at each disk operation of a first and a second publish; no head is ever taken back."""
    crashed = 0
    for at in range(1, 100):
        folder, store = tmp_path / str(at) / "log", InMemoryStore()
        disk = CrashingDisk(at)
        log = publisher_of(store, folder, disk)
        try:
            await happen(store, 3)
            await log.publish()
            await happen(store, 4)
            await log.publish()
        except AuditUnavailableError:
            crashed += 1
            with pytest.raises(AuditUnavailableError):
                log.check_writable()
        await log.close()
        before = signed_heads(folder)
        await happen(store, 2)
        size = await published(store, folder)
        assert size == await store.read(lambda tx: tx.audit.size())
        report = verify_log(folder, KEY)
        assert (report.findings, report.size, report.uncovered) == ((), size, 0)
        assert before <= signed_heads(folder)
        if disk.count < at:
            break
    else:
        pytest.fail("more operations than tried")
    assert crashed > 20


async def test_unsigned_bytes_are_not_trusted(tmp_path):
    """Lines and hashes appended by somebody after the head are cut off, not signed."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 3)
    await published(store, folder)
    with (folder / log_files.ENTRIES).open("ab") as file:
        file.write(b'{"kind":"forged"}\n')
    with (folder / log_files.LEAVES).open("ab") as file:
        file.write(bytes(32))
    await happen(store, 1)
    assert await published(store, folder) == 4
    assert b"forged" not in (folder / log_files.ENTRIES).read_bytes()
    assert verify_log(folder, KEY).intact


async def test_another_store_is_refused(tmp_path):
    """A store whose past differs from what was published is not signed over it."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 3)
    await published(store, folder)
    other = InMemoryStore()
    await happen(other, 5, "other")
    with pytest.raises(AuditUnavailableError, match="differ"):
        await published(other, folder)
    shorter = InMemoryStore()
    await happen(shorter, 2)
    with pytest.raises(AuditUnavailableError, match="holds less"):
        await published(shorter, folder)
    assert await published(store, folder) == 3


async def test_the_whole_log_is_compared_on_request(tmp_path):
    """A difference older than what every start compares is found by the full comparison."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 5)
    log = publisher_of(store, folder)
    await log.publish()
    assert await log.compare_with_store() == 5
    path = folder / log_files.ENTRIES
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":9'))
    with pytest.raises(AuditUnavailableError, match="entry 1"):
        await log.compare_with_store()
    await log.close()


@pytest.mark.parametrize("name", [log_files.ENTRIES, log_files.LEAVES])
async def test_an_altered_past_is_not_signed_over(tmp_path, name):
    """With published bytes changed, a restart refuses instead of publishing a second history."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 3)
    await published(store, folder)
    path = folder / name
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    await happen(store, 1)
    with pytest.raises(AuditUnavailableError):
        await published(store, folder)


async def test_a_deleted_folder_is_not_started_anew(tmp_path):
    """The record of the last signed head, kept apart, makes a wiped log loud."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 3)
    await published(store, folder)
    shutil.rmtree(folder)
    with pytest.raises(AuditUnavailableError, match="once signed"):
        await published(store, folder)


@pytest.mark.parametrize("harm", ["delete", "swap", "cut"])
@pytest.mark.parametrize("name", [log_files.ENTRIES, log_files.LEAVES])
async def test_a_harmed_file_is_noticed_at_once(tmp_path, name, harm):
    """Deleted, replaced or cut under a running server: the next question is refused."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 3)
    log = publisher_of(store, folder)
    await log.publish()
    log.check_writable()
    path = folder / name
    match harm:
        case "delete":
            path.unlink()
        case "swap":
            shutil.copy(path, tmp_path / "copy")
            (tmp_path / "copy").replace(path)
        case "cut":
            os.truncate(path, 5)
    with pytest.raises(AuditUnavailableError):
        log.check_writable()
    await log.close()


async def test_a_full_disk_refuses_and_recovers(tmp_path):
    """No byte more can be written: publish fails, checks fail; with space again it catches up."""
    folder, store = tmp_path / "log", InMemoryStore()
    await happen(store, 200)
    log = publisher_of(store, folder)
    await log.publish()
    await happen(store, 200)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (folder / log_files.ENTRIES).stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(AuditUnavailableError):
            await log.publish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(AuditUnavailableError):
        log.check_writable()
    assert await log.publish() == 400
    log.check_writable()
    await log.close()
    assert verify_log(folder, KEY).intact


async def test_a_hanging_disk_is_refused_quickly(tmp_path, monkeypatch):
    """While a sync does not return, the check refuses at once instead of waiting."""
    monkeypatch.setattr(publisher, "STALLED_AFTER", 0.2)
    disk = SlowDisk()
    log = publisher_of(InMemoryStore(), tmp_path / "log", disk)
    publishing = asyncio.create_task(log.publish())
    await asyncio.sleep(0.4)
    before = time.monotonic()
    with pytest.raises(AuditUnavailableError, match="did not answer"):
        log.check_writable()
    assert time.monotonic() - before < 0.2
    disk.go_on.set()
    assert await publishing == 0
    log.check_writable()
    await log.close()


async def test_one_writer_at_a_time(tmp_path):
    """A second publisher of the same folder is refused while the first lives."""
    folder, store = tmp_path / "log", InMemoryStore()
    first, second = publisher_of(store, folder), publisher_of(store, folder)
    await first.publish()
    with pytest.raises(AuditUnavailableError, match="another process"):
        await second.publish()
    await first.close()
    assert await second.publish() == 0
    await second.close()


async def test_others_cannot_read(tmp_path):
    """Files and folder are closed to everyone but owner and group."""
    folder = tmp_path / "log"
    await published(InMemoryStore(), folder)
    for path in (folder, *folder.iterdir(), tmp_path / "log.signed-head"):
        assert path.stat().st_mode & 0o007 == 0
