"""A proof that one entry is in the log, as one self-contained JSON document.

Here: making it from a folder and checking it with the public key alone. Not here: the path
arithmetic (tree).

The document: ``{"type", "index", "entry", "path", "checkpoint"}``; entry and checkpoint are the
exact texts, the path is base64, lowest sibling first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.checkpoint import Checkpoint, VerifierKey
from protem.audit.entry_hashing import lines_from
from protem.audit.tree import HASH_SIZE, ProofError, inclusion_proof, leaf_hash, verify_inclusion

TYPE = "protem-audit-proof/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a checked proof shows: this entry stands at this index of the signed log."""

    index: int
    entry: bytes
    checkpoint: Checkpoint


def prove(folder: Path, index: int) -> dict[str, object]:
    """Return the proof for entry ``index`` under the newest checkpoint.

    Reads the whole of ``leaves``: about half a second for a million entries.

    Raises:
        ValueError: when no checkpoint covers the entry yet, or the files are damaged.
        OSError: when a file cannot be read.
    """
    note = log_files.read_checkpoint(folder)
    size = checkpoints.peek(note).size
    with (folder / log_files.LEAVES).open("rb") as file:
        packed = file.read(size * HASH_SIZE)
    if not 0 <= index < size:
        raise ValueError(
            f"the newest checkpoint covers {size} entries, counted from 0, not {index}"
        )
    if len(packed) != size * HASH_SIZE:
        raise ValueError(f"{log_files.LEAVES} is shorter than the checkpoint says")
    path = inclusion_proof(packed, index)
    lines = chain.from_iterable(lines_from(folder / log_files.ENTRIES))
    entry = next(islice(lines, index, None), None)
    if entry is None or leaf_hash(entry) != packed[index * HASH_SIZE : (index + 1) * HASH_SIZE]:
        raise ValueError(f"entry {index} is damaged; verify the log")
    return document(index, entry, path, note)


def document(index: int, entry: bytes, path: Sequence[bytes], note: bytes) -> dict[str, object]:
    """Return the proof document of these parts."""
    return {
        "type": TYPE,
        "index": index,
        "entry": entry.decode(),
        "path": [base64.b64encode(step).decode() for step in path],
        "checkpoint": note.decode(),
    }


def verify_proof(proof: Mapping[str, object], key: VerifierKey) -> Proven:
    """Check a proof with nothing but the key.

    Raises:
        ProofError: when the document is malformed or does not prove its entry.
        CheckpointError: when its checkpoint is not signed by ``key``.
    """
    match proof:
        case {
            "type": str(kind),
            "index": int(index),
            "entry": str(entry),
            "path": [*path],
            "checkpoint": str(note),
        } if kind == TYPE and not isinstance(index, bool):
            head = checkpoints.verify(note.encode(), key)
            body = entry.encode("utf-8", "surrogatepass")
            verify_inclusion(leaf_hash(body), index, head.size, _decode(path), head.root)
            return Proven(index=index, entry=body, checkpoint=head)
        case _:
            raise ProofError(f"this is not a {TYPE} document")


def _decode(path: Sequence[object]) -> list[bytes]:
    try:
        return [base64.b64decode(str(step), validate=True) for step in path]
    except (binascii.Error, ValueError) as error:
        raise ProofError("the path is not base64") from error
