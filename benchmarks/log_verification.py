"""Log verification against ``openssl dgst -sha256`` over the same bytes (goal G12).

Prints ratios of rates, medians of interleaved rounds: hashing in memory (at least 0.2), the whole
verifier on files with one process and with two (two at least 1.5 times one), hashing rows from
SQLite (at least 0.12), and what a publish of ten entries costs apart from the disk.

    PYTHONPATH=src python benchmarks/log_verification.py [ENTRIES] [ROUNDS]
"""

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measuring import figure

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.durable_files import Disk
from protem.audit.log_writer import LogWriter
from protem.audit.tree import CompactRange, leaf_hashes
from protem.audit.verifier import verify_log
from protem.signing.local_key import LocalKey

ORIGIN = "benchmark"
SIGNER = LocalKey(Ed25519PrivateKey.generate())
KEY = checkpoints.key_of(SIGNER, ORIGIN)
BATCH = 4_096
ENTRY_SIZE = 289
LIMITS = {"memory": ">=0.2", "sqlite": ">=0.12"}


class NoSync(Disk):
    """Leaves the forcing to disk out: it is the disk's cost, not ours."""

    def sync(self, descriptor):
        """Do nothing."""


def body(number):
    head = b'{"v":1,"kind":"grant.provisioned","seq":3,"number":%d,"data":"' % number
    return head + b"x" * (ENTRY_SIZE - len(head) - 2) + b'"}'


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_memory(bodies):
    edge = CompactRange()
    for at in range(0, len(bodies), BATCH):
        edge.extend(leaf_hashes(bodies[at : at + BATCH]))
    return edge.root()


def from_sqlite(path):
    edge = CompactRange()
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT body FROM entries ORDER BY number")
        while page := rows.fetchmany(BATCH):
            edge.extend(leaf_hashes([row[0] for row in page]))
    database.close()
    return edge.root()


def openssl(path):
    subprocess.run(["openssl", "dgst", "-sha256", path], check=True, stdout=subprocess.DEVNULL)


def whole(folder, processes):
    if not verify_log(folder, KEY, processes=processes).intact:
        raise SystemExit("an honest log did not verify")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as scratch:
        folder, database = Path(scratch) / "log", Path(scratch) / "log.db"
        bodies = [body(number) for number in range(count)]
        writer = LogWriter(
            folder=folder,
            head_file=Path(scratch) / "head",
            origin=ORIGIN,
            signer=SIGNER,
            disk=NoSync(),
        )
        writer.open()
        for at in range(0, count, BATCH):
            writer.append(bodies[at : at + BATCH])
        writer.commit()
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, body BLOB)")
            connection.executemany("INSERT INTO entries VALUES (?, ?)", enumerate(bodies))
        connection.close()
        peers = {
            "openssl": lambda: openssl(folder / log_files.ENTRIES),
            "memory": lambda: in_memory(bodies),
            "sqlite": lambda: from_sqlite(database),
            "files, 1 process": lambda: whole(folder, 1),
            "files, 2 processes": lambda: whole(folder, 2),
        }
        taken = {name: [] for name in peers}
        for _ in range(rounds):
            for name, work in peers.items():
                taken[name].append(timed(work))
        median = {name: statistics.median(times) for name, times in taken.items()}
        print(f"{count} entries of {ENTRY_SIZE} bytes, medians of {rounds} rounds")
        for name, seconds in median.items():
            ratio = median["openssl"] / seconds
            print(f"{name:20} {count / seconds:>12,.0f} entries/s   {ratio:.2f}x openssl")
            if name in LIMITS:
                figure("G12", f"entries/s, {name}, of openssl", ratio, LIMITS[name])
        two = median["files, 1 process"] / median["files, 2 processes"]
        figure("G12", "two processes of one, from files", two, ">=1.5")
        small = bodies[:10]
        costs = [timed(lambda: (writer.append(small), writer.commit())) for _ in range(200)]
        print(f"publish of 10 entries, disk not forced: {statistics.median(costs) * 1000:.2f} ms")
        writer.close()


if __name__ == "__main__":
    main()
