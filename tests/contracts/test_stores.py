"""Every store keeps the promises of ``protem.testing.store_contract``."""

import pytest

from protem.testing.in_memory_store import InMemoryStore
from protem.testing.store_contract import StoreContract


class TestInMemoryStore(StoreContract):
    """The fake keeps the store's promises."""

    @pytest.fixture
    async def store(self):
        """An empty fake."""
        store = InMemoryStore()
        yield store
        await store.close()
