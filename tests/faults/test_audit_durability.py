"""The published log after a power cut: no head that was signed is taken back, and no false alarm.

A disk that forgets what was not synced stands in the place of the log's own. Each image is opened
by a publisher over the same store, as after a restart.
"""

import base64
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.faults.chance import how_many, seeded

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.durable_files import Disk
from protem.audit.publisher import AuditPublisher
from protem.audit.tree import HASH_SIZE, root_of
from protem.audit.verifier import verify_log
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import AuditUnavailableError
from protem.signing.local_key import LocalKey
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.lossy_disk.recording import Recording, images

ORIGIN = "protem.test/log"
RUNS = 4
PUBLISHES = 8
START = datetime(2026, 1, 1, tzinfo=UTC)


class ForgettingDisk(Disk):
    """Does what it is told, and writes down what of it a power cut would leave."""

    def __init__(self, recording, *, forgets_syncs_of=()):
        self.recording = recording
        self.forgets_syncs_of = forgets_syncs_of
        self.sizes = {}

    def append(self, descriptor, data):
        """Append, and note where; a file cut by its owner meanwhile is cut in the record too."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        file, offset = self.recording.file_at(str(path)), os.fstat(descriptor).st_size
        if offset < self.sizes.get(file, 0):
            self.recording.cut(file, offset)
        super().append(descriptor, data)
        self.recording.write(file, offset, bytes(data))
        self.sizes[file] = offset + len(data)

    def sync(self, descriptor):
        """Sync a file, or a folder's names."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        for inside in path.iterdir() if path.is_dir() else ():
            self.recording.file_at(str(inside))  # made meanwhile by their owner
        asked = len(self.recording.events)
        super().sync(descriptor)
        if path.name in self.forgets_syncs_of:
            return
        if path.is_dir():
            self.recording.sync(None, folder=str(path), covers=asked)
        else:
            self.recording.sync(self.recording.file_at(str(path)), folder=None, covers=asked)

    def rename(self, source, destination):
        """Rename, which a cut may undo."""
        super().rename(source, destination)
        self.recording.rename(str(source), str(destination))


class TellingKey(LocalKey):
    """Signs, and notes that this head is out in the world from then on."""

    def __init__(self, recording):
        super().__init__(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
        self.recording = recording
        self.signed = []

    def sign(self, message):
        """Sign; whoever reads the folder may have it before any sync returns."""
        _, size, root = message.decode().splitlines()
        self.signed.append((int(size), base64.b64decode(root)))
        if self.recording is not None:
            self.recording.acknowledge(len(self.signed) - 1)
        return super().sign(message)


async def recorded(folder, store, chance, forgets=()):
    """Publish now and then, over a restart or two; return the record and what was signed."""
    recording = Recording()
    key = TellingKey(recording)
    disk = ForgettingDisk(recording, forgets_syncs_of=forgets)
    log = None
    for _ in range(PUBLISHES):
        if log is None or chance.random() < 0.2:
            if log is not None:
                await log.close()
            recording.file_at(str(folder))
            log = AuditPublisher(store=store, signer=key, folder=folder, origin=ORIGIN, disk=disk)
        for number in range(chance.randrange(6)):
            event = AuditEvent(
                kind="account.changed",
                at=START,
                actor="protem",
                data={"number": number, "why": "x" * chance.randrange(400)},
            )
            await store.write(lambda tx, event=event: tx.audit.append(event))
        await log.publish()
    await log.close()
    return recording, key.signed


def lay_out(image, origin, place):
    """Write what the cut left of ``origin`` to ``place``."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    folder = str(origin / "log")
    for name, content in image.files.items():
        path = place / Path(name).relative_to(origin)
        if name == folder:
            path.mkdir(exist_ok=True)
        elif not name.startswith(folder + "/") or folder in image.files:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


async def wrong_after(image, signed, store, place):
    """Publish on what the cut left; return what is wrong, by kind."""
    key = TellingKey(None)
    log = AuditPublisher(store=store, signer=key, folder=place / "log", origin=ORIGIN)
    try:
        size = await log.publish()
    except AuditUnavailableError as error:
        reason = re.sub(r"/\S+/|\d+", "", error.message.split(": ", 1)[1])
        return Counter({f"false alarm: {reason[:40]}": 1})
    finally:
        await log.close()
    wrong = Counter()
    wrong["behind the store"] += size != await store.read(lambda tx: tx.audit.size())
    leaves = (place / "log" / log_files.LEAVES).read_bytes()
    for number in image.promised:
        length, root = signed[number][0] * HASH_SIZE, signed[number][1]
        wrong["fork"] += len(leaves) < length or root_of(leaves[:length]) != root
    report = verify_log(place / "log", checkpoints.key_of(key, ORIGIN))
    wrong["not verified"] += bool(report.findings) or report.uncovered != 0
    return +wrong


async def power_cuts(folder, what, count, forgets=()):
    """Record runs, cut each at random moments, and return what all images have wrong."""
    chance = seeded(what)
    started, wrong, heads, events = time.monotonic(), Counter(), 0, 0
    for run in range(RUNS):
        store, origin = InMemoryStore(), folder / str(run)
        origin.mkdir()
        recording, signed = await recorded(origin / "log", store, chance, forgets)
        last = len(recording.events)
        events += last
        for image in images(
            recording, sorted(chance.randrange(last + 1) for _ in range(count // RUNS)), chance
        ):
            heads += len(image.promised)
            lay_out(image, origin, folder / "image")
            wrong += await wrong_after(image, signed, store, folder / "image")
    spent = time.monotonic() - started
    print(
        f"{count} cuts of {RUNS} runs ({events} events), {heads} signed heads looked for, "
        f"wrong: {dict(wrong)} ({spent:.0f} s)"
    )
    return wrong


@pytest.fixture
def folder():
    """A folder in memory where there is one: what is cut here is the record, not a disk."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    path = Path(tempfile.mkdtemp(prefix="protem-cuts-", dir=memory if memory.is_dir() else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def test_no_signed_head_is_taken_back_by_any_power_cut(folder):
    """After each cut the log goes on from every head that was signed, and alarms nobody."""
    count = how_many("PROTEM_POWER_CUTS_OF_THE_LOG", 2_000)
    assert await power_cuts(folder, "power cuts of the log", count) == Counter()


@pytest.mark.parametrize("name", ["entries.jsonl", "leaves", ".log.signed-head.new"])
async def test_the_cuts_find_a_sync_that_is_left_out(folder, name):
    """With one file's syncs forgotten, the same cuts find it."""
    assert await power_cuts(folder, f"without syncs of {name}", 400, (name,))
