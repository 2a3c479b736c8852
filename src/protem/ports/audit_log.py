"""The published audit log as a port: signed heads and proofs over what the store holds.

Events enter through the store's transaction (``ports.store.AuditRecords``), never through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class AuditLog(Protocol):
    """Publishes stored entries as a signed Merkle log."""

    def check_writable(self) -> None:
        """Return if entries can be published now.

        Raises:
            AuditUnavailableError: when publishing fails, so that nothing is granted (law 5).
        """
        ...

    async def publish(self) -> int:
        """Append what the store holds beyond the last head, sign a new head; return its size.

        Idempotent, and finishes what a crash cut off.

        Raises:
            AuditUnavailableError: when the files cannot be written.
        """
        ...


@runtime_checkable
class ServesProofs(Protocol):
    """Can show the published log to those who want to check it."""

    @property
    def verifier_key(self) -> str:
        """The log's public key in C2SP signed-note form."""
        ...

    def checkpoint(self) -> str:
        """Return the newest signed head.

        Raises:
            NotFoundError: when nothing was published yet.
        """
        ...

    def inclusion_proof(self, index: int) -> Sequence[bytes]:
        """Return the hashes that lead from entry ``index`` to the newest head (RFC 6962, 2.1.1).

        Raises:
            NotFoundError: when the entry is not under the newest head.
        """
        ...
