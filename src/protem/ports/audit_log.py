"""The published audit log as a port: signed heads and proofs over what the store holds.

Events enter through the store's transaction (``ports.store.AuditRecords``), never through here.
"""

from __future__ import annotations

from typing import Protocol


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
