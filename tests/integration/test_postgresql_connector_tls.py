"""The connector and its clients through TLS with a checked certificate."""

import psycopg
import pytest
from tests.contracts.connector_cases import ADMIN, ADMIN_PASSWORD, postgresql_case

from protem.testing import postgresql_server
from protem.testing.connector_contract import an_order, find
from protem.testing.tls_files import postgresql_tls_settings

# The wheels are built without TLS, distributions' packages with it.
WITH_TLS = next(
    (
        version
        for version, folder in postgresql_server.find_binaries().items()
        if folder.is_relative_to("/usr/lib/postgresql")
    ),
    None,
)


@pytest.mark.postgresql
@pytest.mark.skipif(
    WITH_TLS is None,
    reason="no PostgreSQL built with TLS; apt install postgresql",
)
async def test_a_grant_through_tls(tmp_path):
    """Administrator and client both verify the server, and the session is encrypted."""
    server = postgresql_server.start(
        WITH_TLS, settings=postgresql_tls_settings(tmp_path), folder=tmp_path
    )
    try:
        async with postgresql_case(server) as case:
            facts = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "ca.crt")}
            dsn = server.dsn(ADMIN, ADMIN_PASSWORD, case.database)
            query = "&".join(f"{name}={value}" for name, value in facts.items())
            login = {"host": "127.0.0.1", "port": str(server.port), "dbname": case.database}
            connector = case.connector_with(dsn=f"{dsn}?{query}", login={**login, **facts})
            order = await an_order(case)
            receipt = await connector.provision(order, case.public_half())
            async with await case.client(receipt) as client:
                assert client.pgconn.ssl_in_use
            with pytest.raises(psycopg.OperationalError):
                await case.client(receipt, sslrootcert=str(tmp_path / "server.crt"))
            await connector.end(order.order.grant_id)
            assert await find(connector, order.order.grant_id) is None
            await connector.close()
    finally:
        server.stop()
