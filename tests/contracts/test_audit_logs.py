"""Every audit log keeps the promises of ``protem.testing.audit_log_contract``."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.audit.publisher import AuditPublisher
from protem.domain.errors import AuditUnavailableError
from protem.signing.local_key import LocalKey
from protem.testing.audit_log_contract import AuditLogContract, Ledger
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_store import InMemoryStore


class TestInMemoryAuditLog(AuditLogContract):
    """The fake keeps the promises."""

    @pytest.fixture
    def ledger(self):
        """A fake over a fake."""
        store = InMemoryStore()
        log = InMemoryAuditLog(store)
        return Ledger(
            log=log,
            store=store,
            break_sink=lambda: setattr(log, "failure", AuditUnavailableError("no disk")),
            repair_sink=lambda: setattr(log, "failure", None),
        )


class TestAuditPublisher(AuditLogContract):
    """The real log keeps the promises on a real folder."""

    @pytest.fixture
    async def ledger(self, tmp_path):
        """A log whose folder can be moved away and back."""
        store, folder = InMemoryStore(), tmp_path / "log"
        log = AuditPublisher(
            store=store,
            signer=LocalKey(Ed25519PrivateKey.generate()),
            folder=folder,
            origin="protem.test/log",
        )
        yield Ledger(
            log=log,
            store=store,
            break_sink=lambda: folder.rename(tmp_path / "away") and None,
            repair_sink=lambda: (tmp_path / "away").rename(folder) and None,
        )
        await log.close()
