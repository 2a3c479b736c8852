"""Every store keeps the promises of ``protem.testing.store_contract``."""

import pytest

from protem.storage.sqlite_store import SqliteStore
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.review_records_contract import ReviewRecordsContract
from protem.testing.store_contract import StoreContract


class TestInMemoryStore(StoreContract, ReviewRecordsContract):
    """The fake keeps the store's promises."""

    @pytest.fixture
    async def store(self):
        """An empty fake."""
        store = InMemoryStore()
        yield store
        await store.close()


class TestSqliteStore(StoreContract, ReviewRecordsContract):
    """SQLite keeps the store's promises."""

    @pytest.fixture
    async def store(self, tmp_path):
        """An empty database in a file."""
        store = await SqliteStore.open(tmp_path / "protem.db")
        yield store
        await store.close()
