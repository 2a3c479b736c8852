"""Writes the published folder: appends, signs heads, and puts right what a crash cut off.

Here: the files, their order and their recovery; synchronous. Not here: where entries come from
(publisher), checks by outsiders (verifier).

Order of a commit: entries and leaves, forced to disk; the *signed-head* file, which records what is
about to be signed; only then the signature, into ``checkpoints`` and then ``checkpoint``.

Invariants:
- No two heads are signed that are not prefixes of one tree: before a signature the head is on disk,
  in a private file outside the published folder, and every open checks the tree against it.
- Bytes beyond the last signed head are nobody's promise: they are cut off and written again.
- One writer for each folder, by an advisory lock.
- Any failure closes the files; the next open recovers from disk, by the one path a crash takes too.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.checkpoint import Checkpoint, CheckpointError
from protem.audit.durable_files import FILE_MODE, FOLDER_MODE, Disk
from protem.audit.tree import HASH_SIZE, CompactRange, leaf_hashes, root_of
from protem.domain.errors import AuditUnavailableError
from protem.ports.signer import Signer

_MIN_FREE_BYTES = 4 * 1024 * 1024
_READ_SIZE = 1024 * 1024
_TAIL_OF_HISTORY = 2 * checkpoints.MAX_NOTE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What was signed last, or is about to be; ``end`` is where its entries end in the file."""

    size: int
    root: bytes
    end: int | None


class LogWriter:
    """One open folder. One thread at a time may change it; ``check`` may be asked by any.

    Raises:
        AuditUnavailableError: from ``open``, ``append`` and ``commit``, when the files cannot be
            written or contradict what was signed.
    """

    def __init__(
        self, *, folder: Path, head_file: Path, origin: str, signer: Signer, disk: Disk
    ) -> None:
        self._folder, self._head_file = folder, head_file
        self._signer, self._disk = signer, disk
        self._key = checkpoints.key_of(signer, origin)
        self._files: dict[str, int] = {}
        self._edge = CompactRange()
        self._end = 0
        self._signed_size = -1

    @property
    def is_open(self) -> bool:
        """Whether the files are open and believed good."""
        return bool(self._files)

    @property
    def size(self) -> int:
        """How many entries are in the files."""
        return self._edge.size

    @property
    def signed_size(self) -> int:
        """How many entries the newest head covers, -1 before the first head."""
        return self._signed_size

    def open(self) -> None:
        """Open or make the folder and bring it to its last signed head."""
        try:
            self._open_files()
            self._recover()
        except OSError as error:
            self.close()
            raise _unavailable(self._folder, error) from error
        except AuditUnavailableError:
            self.close()
            raise

    def append(self, bodies: Sequence[bytes]) -> None:
        """Add entries to the files; nothing is promised of them before ``commit``."""
        for body in bodies:
            if b"\n" in body or len(body) > log_files.MAX_ENTRY_SIZE:
                raise AuditUnavailableError(
                    "an entry in the store has a raw line feed or is too large for the log; "
                    "the store was changed by other means than Protem"
                )
        lines = b"".join([body + b"\n" for body in bodies])
        leaves = leaf_hashes(bodies)
        try:
            self._disk.append(self._files[log_files.ENTRIES], lines)
            self._disk.append(self._files[log_files.LEAVES], leaves)
        except OSError as error:
            self.close()
            raise _unavailable(self._folder, error) from error
        self._edge.extend(leaves)
        self._end += len(lines)

    def commit(self) -> int:
        """Force everything to disk, sign the head over it and publish that; return its size."""
        head = Checkpoint(origin=self._key.name, size=self._edge.size, root=self._edge.root())
        try:
            self._disk.sync(self._files[log_files.ENTRIES])
            self._disk.sync(self._files[log_files.LEAVES])
            self._disk.replace(self._head_file, _head_json(head, self._end))
            note = checkpoints.sign(head, self._signer)
            self._disk.append(self._files[log_files.HISTORY], note + b"\n")
            self._disk.sync(self._files[log_files.HISTORY])
            self._disk.replace(self._folder / log_files.CHECKPOINT, note)
        except OSError as error:
            self.close()
            raise _unavailable(self._folder, error) from error
        self._signed_size = head.size
        return head.size

    def tail(self, length: int) -> bytes:
        """Return the last ``length`` bytes of the entries, or fewer if there are fewer."""
        start = max(0, self._end - length)
        try:
            return os.pread(self._files[log_files.ENTRIES], self._end - start, start)
        except OSError as error:
            self.close()
            raise _unavailable(self._folder, error) from error

    def check(self) -> None:
        """Return if an append would have somewhere to go; quick, and without writing.

        Raises:
            AuditUnavailableError: files deleted, swapped or cut, no space, not writable.
        """
        try:
            self._check_space()
            for name, descriptor in list(self._files.items()):
                # Read before the file is: another thread may be appending, and files only grow.
                least = self._least_size(name)
                ours, there = os.fstat(descriptor), (self._folder / name).stat()
                if (ours.st_ino, ours.st_dev) != (there.st_ino, there.st_dev):
                    raise _contradiction(f"{self._folder / name} was replaced by another file")
                if there.st_size < least:
                    raise _contradiction(f"{self._folder / name} was cut to {there.st_size} bytes")
            if self._files and self._signed_size >= 0:
                (self._folder / log_files.CHECKPOINT).stat()
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def close(self) -> None:
        """Let go of files and lock; harmless when closed."""
        for descriptor in self._files.values():
            with suppress(OSError):
                os.close(descriptor)
        self._files = {}

    def _least_size(self, name: str) -> int:
        leaves = self._edge.size * HASH_SIZE
        return {log_files.ENTRIES: self._end, log_files.LEAVES: leaves}.get(name, 0)

    def _check_space(self) -> None:
        folder = self._folder
        while not folder.exists() and folder != folder.parent and not self._files:
            folder = folder.parent  # not made yet: ask where it will be
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < _MIN_FREE_BYTES:
            raise AuditUnavailableError(
                f"the disk of the audit log {self._folder} is full",
                next_step=f"df {self._folder}",
            )
        if space.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
            raise AuditUnavailableError(
                f"the audit log's folder {self._folder} is not writable",
                next_step=f"ls -ld {self._folder}",
            )

    def _open_files(self) -> None:
        self.close()
        if not self._folder.exists():
            if self._head_file.exists():
                raise _contradiction(f"{self._folder} is gone, of which a head was once signed")
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            # Or a power cut could keep what is recorded of the log, and lose the log's own name.
            self._disk.sync_folder(self._folder.parent)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        for name in (log_files.ENTRIES, log_files.LEAVES, log_files.HISTORY):
            self._files[name] = os.open(self._folder / name, flags, FILE_MODE)
        try:
            fcntl.flock(self._files[log_files.HISTORY], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditUnavailableError(
                f"another process publishes the audit log {self._folder}; one is enough"
            ) from error
        for name, content in (
            (log_files.FORMAT, log_files.FORMAT_LINE),
            (log_files.KEY, f"{self._key}\n".encode()),
        ):
            path = self._folder / name
            if not path.exists():
                self._disk.replace(path, content)
            elif path.read_bytes() != content:
                raise _contradiction(f"{path} is not what this server would write there")

    def _recover(self) -> None:
        heads = self._signed_heads()
        last = max(heads, key=lambda head: head.size, default=Head(size=0, root=b"", end=0))
        leaves = self._files[log_files.LEAVES]
        packed = _read(leaves, last.size * HASH_SIZE)
        for head in heads:
            if len(packed) < head.size * HASH_SIZE:
                raise _contradiction(f"the log holds less than the {head.size} entries once signed")
            if root_of(packed[: head.size * HASH_SIZE]) != head.root:
                raise _contradiction(f"the log is not the one whose head of {head.size} was signed")
        known = next((head.end for head in heads if head.size == last.size and head.end), None)
        end = self._end_of(last.size) if known is None else known
        if os.fstat(self._files[log_files.ENTRIES]).st_size < end:
            raise _contradiction(f"{log_files.ENTRIES} is shorter than its signed head")
        os.ftruncate(self._files[log_files.ENTRIES], end)
        os.ftruncate(leaves, last.size * HASH_SIZE)
        self._edge, self._end = CompactRange(), end
        self._edge.extend(packed)
        whole = len(heads) == 3 and len({head.size for head in heads}) == 1  # noqa: PLR2004  # all
        self._signed_size = last.size if whole else -1

    def _signed_heads(self) -> list[Head]:
        """Return the heads that the three places know; cut a torn note off the history."""
        heads = []
        with suppress(FileNotFoundError):
            heads.append(_parse_head(self._head_file, self._head_file.read_bytes()))
        with suppress(FileNotFoundError):
            note = log_files.read_checkpoint(self._folder)
            heads.append(self._verified(note, log_files.CHECKPOINT))
        history = self._files[log_files.HISTORY]
        length = os.fstat(history).st_size
        tail = os.pread(history, _TAIL_OF_HISTORY, max(0, length - _TAIL_OF_HISTORY))
        if length > len(tail):  # start at a whole note: each begins with the origin after a gap
            tail = tail[tail.find(f"\n\n{self._key.name}\n".encode()) + 2 :]
        notes, torn = log_files.split_history(tail)
        if torn:
            os.ftruncate(history, length - len(torn))
        if notes:
            heads.append(self._verified(notes[-1], log_files.HISTORY))
        return heads

    def _verified(self, note: bytes, name: str) -> Head:
        try:
            head = checkpoints.verify(note, self._key)
        except CheckpointError as error:
            raise _contradiction(f"{self._folder / name}: {error}") from error
        return Head(size=head.size, root=head.root, end=None)

    def _end_of(self, size: int) -> int:
        """Return where the first ``size`` lines end; reads them, so only when nothing knows."""
        position, missing = 0, size
        while missing:
            block = os.pread(self._files[log_files.ENTRIES], _READ_SIZE, position)
            if not block:
                raise _contradiction(f"{log_files.ENTRIES} holds less than its signed head")
            found = block.count(b"\n")
            if found < missing:
                missing, position = missing - found, position + len(block)
                continue
            at = -1
            for _ in range(missing):
                at = block.index(b"\n", at + 1)
            return position + at + 1
        return position


def _head_json(head: Checkpoint, end: int) -> bytes:
    document = {"v": 1, "size": head.size, "root": head.root.hex(), "end": end}
    return json.dumps(document).encode() + b"\n"


def _parse_head(path: Path, data: bytes) -> Head:
    try:
        document = json.loads(data)
        size, root, end = document["size"], bytes.fromhex(document["root"]), document["end"]
        return Head(size=int(size), root=root, end=int(end))
    except (ValueError, KeyError, TypeError) as error:
        raise _contradiction(f"{path} is not a record of a signed head") from error


def _read(descriptor: int, length: int) -> bytes:
    blocks, position = [], 0
    while position < length:
        block = os.pread(descriptor, min(length - position, 64 * _READ_SIZE), position)
        if not block:
            break
        blocks.append(block)
        position += len(block)
    return b"".join(blocks)


def _unavailable(folder: Path, error: OSError) -> AuditUnavailableError:
    reason = error.strerror or type(error).__name__
    named = f" ({error.filename})" if error.filename else ""
    return AuditUnavailableError(
        f"the audit log {folder} cannot be written: {reason}{named}; nothing is granted now",
        next_step=f"ls -l {folder}; df {folder}",
    )


def _contradiction(what: str) -> AuditUnavailableError:
    return AuditUnavailableError(
        f"the audit log contradicts what was signed: {what}; nothing is granted now",
        next_step="protem audit verify FOLDER, then restore the folder from a copy",
    )
