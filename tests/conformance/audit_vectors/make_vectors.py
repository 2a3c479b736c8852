"""Writes the golden audit log: ``python make_vectors.py FOLDER`` with ``src`` on the path.

The key is a test key: its private half is the bytes 0 to 31. Ed25519 is deterministic, so every
run writes the same bytes; a difference means that the format changed, which needs a new version.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.audit.durable_files import Disk
from protem.audit.log_writer import LogWriter
from protem.domain.audit_events import AuditEvent
from protem.domain.identifiers import GrantId, TargetName
from protem.signing.local_key import LocalKey

ORIGIN = "protem.example/vectors"
BATCHES = (1, 2, 4)


def events():
    """Yield seven entries, hostile text and all."""
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    texts = ("plain", 'quote " and \\', "line\nfeed", "nul \0", "bidi \u202e", "é 漢 😀", "")
    for number, text in enumerate(texts):
        yield AuditEvent(
            kind="grant.extended",
            at=start + timedelta(seconds=number, microseconds=number),
            actor="https://idp.example|anna",
            grant_id=GrantId("01arz3ndektsv4rrffq69g5fav"),
            sequence=number + 1,
            target=TargetName("orders-db"),
            data={"text": text, "list": [1, None, True], "state": "active"},
        )


def write(folder):
    """Write the log with a signed head after each batch."""
    writer = LogWriter(
        folder=folder,
        head_file=folder.with_name(folder.name + ".signed-head"),
        origin=ORIGIN,
        signer=LocalKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32)))),
        disk=Disk(),
    )
    writer.open()
    writer.commit()
    bodies = [event.canonical_bytes() for event in events()]
    for size in BATCHES:
        writer.append(bodies[writer.size : writer.size + size])
        writer.commit()
    writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
