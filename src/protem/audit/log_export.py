"""A consistent copy of a log: from a folder that may be growing, or from entries fetched elsewhere.

Here: what to copy up to which byte, and that the copy appears whole or not at all. Not here:
fetching over the network, and verifying the copy; do that next.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.checkpoint import Checkpoint, CheckpointError
from protem.audit.entry_hashing import lines_from
from protem.audit.tree import HASH_SIZE, leaf_hashes, root_of

_BATCH = 4_096


def export_folder(source: Path, destination: Path) -> int:
    """Copy what the newest checkpoint of ``source`` covers; return how many entries.

    Raises:
        ValueError: when the destination exists or the source holds less than it signed.
        OSError: when a file cannot be read or written.
    """
    note = log_files.read_checkpoint(source)
    size = checkpoints.peek(note).size
    notes, _ = log_files.split_history((source / log_files.HISTORY).read_bytes())
    if note not in notes:
        raise CheckpointError(f"{log_files.HISTORY} lacks the newest checkpoint; verify the log")
    scratch = _scratch(destination)
    try:
        for name in (log_files.FORMAT, log_files.KEY):
            (scratch / name).write_bytes((source / name).read_bytes())
        kept = notes[: notes.index(note) + 1]
        (scratch / log_files.HISTORY).write_bytes(b"".join(kept_note + b"\n" for kept_note in kept))
        (scratch / log_files.CHECKPOINT).write_bytes(note)
        lines = chain.from_iterable(lines_from(source / log_files.ENTRIES))
        _write_entries(scratch, islice(lines, size))
        with (source / log_files.LEAVES).open("rb") as leaves:
            (scratch / log_files.LEAVES).write_bytes(leaves.read(size * HASH_SIZE))
        scratch.rename(destination)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return size


def export_entries(
    bodies: Iterable[bytes], *, checkpoint: bytes, key: str, destination: Path
) -> int:
    """Write a folder from fetched entries, a signed note and a verifier key; return how many.

    Raises:
        ValueError: when the destination exists, or the entries do not lead to the note's root.
        OSError: when a file cannot be written.
    """
    head = checkpoints.peek(checkpoint)
    scratch = _scratch(destination)
    try:
        (scratch / log_files.FORMAT).write_bytes(log_files.FORMAT_LINE)
        (scratch / log_files.KEY).write_text(key.strip() + "\n", encoding="utf-8")
        (scratch / log_files.CHECKPOINT).write_bytes(checkpoint)
        (scratch / log_files.HISTORY).write_bytes(checkpoint + b"\n")
        packed = _write_entries(scratch, islice(bodies, head.size))
        (scratch / log_files.LEAVES).write_bytes(packed)
        _check_root(packed, head)
        scratch.rename(destination)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return head.size


def _check_root(packed: bytes, head: Checkpoint) -> None:
    if root_of(packed) != head.root:
        raise CheckpointError("the entries that were sent do not lead to the signed root")


def _write_entries(folder: Path, bodies: Iterable[bytes]) -> bytes:
    hashes, source = [], iter(bodies)
    with (folder / log_files.ENTRIES).open("wb") as file:
        while batch := list(islice(source, _BATCH)):
            file.write(b"".join([body + b"\n" for body in batch]))
            hashes.append(leaf_hashes(batch))
    return b"".join(hashes)


def _scratch(destination: Path) -> Path:
    if destination.exists():
        raise ValueError(f"{destination} exists; an export never writes into what is there")
    scratch = destination.with_name(f".{destination.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o750, parents=True)
    return scratch
