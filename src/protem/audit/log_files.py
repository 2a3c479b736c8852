"""The published folder: which files there are and how they are read.

Here: names, the history of checkpoints, reading small files. Not here: writing (log_writer) and
judging (verifier). The format is documented in docs/audit-log.md.

Files, all append-only but ``checkpoint``:
- ``format``: ``protem-audit-log/1``.
- ``entries.jsonl``: each entry's exact hashed bytes and a line feed; JSON has none inside.
- ``leaves``: the 32-byte leaf hashes back to back, so that a verifier can name an altered entry.
- ``checkpoint``: the newest signed head, replaced as a whole.
- ``checkpoints``: every signed head in order, each followed by an empty line.
- ``key``: the verifier key.
"""

from __future__ import annotations

from pathlib import Path

FORMAT = "format"
FORMAT_LINE = b"protem-audit-log/1\n"
ENTRIES = "entries.jsonl"
LEAVES = "leaves"
CHECKPOINT = "checkpoint"
HISTORY = "checkpoints"
KEY = "key"
FILES = (FORMAT, ENTRIES, LEAVES, CHECKPOINT, HISTORY, KEY)

MAX_ENTRY_SIZE = 16 * 1024 * 1024
"""Longer lines are refused by writer and verifier, so that neither can be made to fill memory."""


def split_history(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole notes in ``checkpoints``, and what follows the last whole one.

    A note holds one empty line, before its signatures, so every second one ends a record.
    """
    parts = data.split(b"\n\n")
    whole = len(parts) // 2
    if len(parts) == 2 * whole:  # the last record has no end yet
        whole -= 1
    notes = [parts[2 * at] + b"\n\n" + parts[2 * at + 1] + b"\n" for at in range(whole)]
    return notes, b"\n\n".join(parts[2 * whole :])


def read_checkpoint(folder: Path) -> bytes:
    """Return the newest signed note."""
    return (folder / CHECKPOINT).read_bytes()


def read_key(folder: Path) -> str:
    """Return the verifier key as the folder tells it; a verifier gets it elsewhere."""
    return (folder / KEY).read_text(encoding="utf-8")
