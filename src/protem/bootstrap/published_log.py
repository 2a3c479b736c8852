"""The published audit folder, shown to those who want to check it.

Here: newest head, key and inclusion proofs from the files. Not here: writing them (audit).

Invariants: only what is under a signed head is proved; the proof fits the head of the same moment
or a later one asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from protem.audit import checkpoint, log_files, tree
from protem.domain.errors import NotFoundError

_HASH_SIZE = 32


class PublishedLog:
    """Reads one log folder; implements ``ports.audit_log.ServesProofs``."""

    def __init__(self, folder: Path, key: checkpoint.VerifierKey) -> None:
        self._folder = folder
        self._key = key

    @property
    def verifier_key(self) -> str:
        """The log's public key in C2SP signed-note form."""
        return str(self._key)

    def checkpoint(self) -> str:
        """Return the newest signed head.

        Raises:
            NotFoundError: when nothing was published yet.
        """
        try:
            return log_files.read_checkpoint(self._folder).decode()
        except FileNotFoundError as error:
            raise NotFoundError("no checkpoint was published yet") from error

    def inclusion_proof(self, index: int) -> Sequence[bytes]:
        """Return the hashes from entry ``index`` to the newest head.

        Raises:
            NotFoundError: when the entry is not under it.
        """
        head = checkpoint.peek(self.checkpoint().encode())
        if not 0 <= index < head.size:
            raise NotFoundError(f"entry {index} is not under the newest checkpoint of {head.size}")
        with (self._folder / log_files.LEAVES).open("rb") as leaves:
            return tree.inclusion_proof(leaves.read(head.size * _HASH_SIZE), index)
