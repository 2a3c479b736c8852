"""What is on disk before something is said or signed."""

import os
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.audit import log_files
from protem.audit.durable_files import Disk
from protem.audit.publisher import AuditPublisher
from protem.domain.audit_events import AuditEvent
from protem.signing.local_key import LocalKey
from protem.storage.connections import connect
from protem.storage.sqlite_store import SqliteStore
from protem.testing.in_memory_store import InMemoryStore

FULL = 2


class RememberingDisk(Disk):
    """Knows which files hold bytes that no sync has forced to disk."""

    def __init__(self):
        self.dirty = set()

    def append(self, descriptor, data):
        """Append, and remember."""
        super().append(descriptor, data)
        self.dirty.add(os.fstat(descriptor).st_ino)

    def sync(self, descriptor):
        """Force, and forget."""
        super().sync(descriptor)
        self.dirty.discard(os.fstat(descriptor).st_ino)


class SignerThatLooks:
    """Signs, and remembers what was not on disk at that moment."""

    def __init__(self, folder, disk):
        self.key = LocalKey(Ed25519PrivateKey.generate())
        self.key_id, self.public_key = self.key.key_id, self.key.public_key
        self.folder, self.disk, self.missing, self.signed = folder, disk, [], 0

    def sign(self, message):
        """Sign."""
        self.signed += 1
        for name in (log_files.ENTRIES, log_files.LEAVES):
            if (self.folder / name).stat().st_ino in self.disk.dirty:
                self.missing.append(name)
        return self.key.sign(message)


async def test_every_commit_is_synced(tmp_path):
    """White-box: the connection that writes forces each commit to disk (``synchronous=FULL``)."""
    path = tmp_path / "protem.db"
    await (await SqliteStore.open(path)).close()
    connection = connect(path)
    assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,)
    connection.close()


async def test_a_head_is_signed_only_over_what_is_on_disk(tmp_path):
    """Entries and their hashes are forced to disk before the signature that vouches for them."""
    folder, store, disk = tmp_path / "log", InMemoryStore(), RememberingDisk()
    signer = SignerThatLooks(folder, disk)
    log = AuditPublisher(
        store=store, signer=signer, folder=folder, origin="protem.test/log", disk=disk
    )
    for number in range(3):
        event = AuditEvent(
            kind="account.changed",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            actor="protem",
            data={"number": number},
        )
        await store.write(lambda tx, event=event: tx.audit.append(event))
        await log.publish()
    await log.close()
    assert signer.signed == 3
    assert signer.missing == []
