"""An audit log that publishes nowhere, for tests of what depends on one."""

from __future__ import annotations

from protem.domain.errors import AuditUnavailableError
from protem.ports.store import Store


class InMemoryAuditLog:
    """Counts what the store holds; no tree, no files, no signatures.

    Attributes:
        failure: when set, nothing can be published, as on a full disk.
        published: how many entries the last publish covered.
    """

    def __init__(self, store: Store) -> None:
        self.failure: AuditUnavailableError | None = None
        self.published = 0
        self._store = store

    def check_writable(self) -> None:
        """Raise the failure, if one is set."""
        if self.failure is not None:
            raise self.failure

    async def publish(self) -> int:
        """Cover all that the store holds."""
        self.check_writable()
        self.published = await self._store.read(lambda tx: tx.audit.size())
        return self.published
