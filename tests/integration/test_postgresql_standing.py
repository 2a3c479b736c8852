"""Who stands beside Protem at a real server, and what a person types where Protem cannot."""

import asyncio
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from tests.contracts.connector_cases import ADMIN, ADMIN_PASSWORD

from protem.connectors.postgresql import PostgresqlConnector
from protem.domain.secret import Secret
from protem.services.sweep_target import sweep_target
from protem.testing.connector_contract import an_order, find

pytestmark = pytest.mark.postgresql
HOSTILE = "gr\"u'; DROP TABLE x; --"


async def standing(case):
    """What the connector lists, by name."""
    return {found.name: found for found in await case.connector.standing_privileges()}


@pytest.fixture
async def gru(case):
    """A person's own login with a name that needs care, removed afterwards."""
    quoted = psycopg.sql.Identifier(HOSTILE)
    make = psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'gru-Pa55'").format(quoted)
    member = psycopg.sql.SQL("GRANT pg_read_all_data TO {}").format(quoted)
    await case.as_superuser(make, member)
    yield HOSTILE
    await case.as_superuser(psycopg.sql.SQL("DROP ROLE {}").format(quoted))


async def test_a_persons_login_is_told_with_its_membership_and_its_use_now(case, gru):
    """No session, then two; the background workers of the server count for nobody."""
    before = (await standing(case))[gru]
    assert "is a member of 'pg_read_all_data'" in before.message
    assert before.sessions == 0
    login = {"host": "127.0.0.1", "port": case.server.port, "dbname": case.database}
    clients = [
        await psycopg.AsyncConnection.connect(**login, user=gru, password="gru-Pa55")
        for _ in range(2)
    ]
    after = (await standing(case))[gru]
    assert after.sessions == 2
    for _ in range(100):  # the one that holds the database; closed ones take a moment
        if (await standing(case))["postgres"].sessions == 1:
            break
        await asyncio.sleep(0.02)
    assert (await standing(case))["postgres"].sessions == 1
    for client in clients:
        await client.close()


async def test_the_statement_given_takes_the_standing_privilege_away(case, gru):
    """Typed as it is, also with quotes in the name; then it is no longer listed."""
    await case.as_superuser((await standing(case))[gru].removal)
    assert gru not in await standing(case)


async def test_the_statements_given_end_a_grant_by_hand(case):
    """A live session is cut and the role is gone, with nothing but what was said."""
    order, public_half = await an_order(case), case.public_half()
    receipt = await case.connector.provision(order, public_half)
    name = receipt.name_at_target
    session = await case.log_in(receipt)
    await case.as_superuser(case.connector.removal_by_hand(name))
    assert not await case.is_open(session)
    assert await find(case.connector, order.order.grant_id) is None


async def test_the_address_given_is_the_one_that_sweep_takes(case):
    """It holds no password, and with one it reaches the same database as the same role."""
    address = case.connector.sweep_address
    assert ADMIN_PASSWORD not in address
    parts = urlsplit(address)
    assert (unquote(parts.username), parts.port) == (ADMIN, case.server.port)
    again = PostgresqlConnector(Secret(address.replace("@", f":{ADMIN_PASSWORD}@")))
    await case.connector.provision(await an_order(case), case.public_half())
    report = await sweep_target(again)
    await again.close()
    assert len(report.kept) == 1


async def test_the_moment_of_a_look_is_not_later_than_what_it_shows(case):
    """``read_at`` is taken before anything is read: what is seen is as of then or later."""
    before = await case.now()
    seen = await case.connector.observe()
    assert before <= seen.at <= await case.now()
