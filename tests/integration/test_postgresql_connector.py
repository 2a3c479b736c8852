"""The connector against real servers: hostile users, races, crashes, drift."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.connectors.postgresql.scope_grants import check_scope
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.identifiers import TargetName
from protem.domain.orders import SignedOrder
from protem.domain.scopes import Privilege, Scope
from protem.services.sweep_target import sweep_target
from protem.testing.connector_contract import an_order, find, only

pytestmark = pytest.mark.postgresql


async def granted(case, **changes):
    """Provision one grant and return its order and receipt."""
    order = await an_order(case, **changes)
    return order.order, await case.connector.provision(order, case.public_half())


async def names_left(case):
    """Return every role of ours that exists."""
    return await case.as_superuser(
        "SELECT rolname FROM pg_roles WHERE rolname ~ '^protem_(0|scope_)'"
    )


async def test_the_scope_is_what_the_server_enforces(case):
    """The granted columns can be read; another column, and another table, cannot."""
    _, receipt = await granted(case)
    async with await case.client(receipt) as client:
        assert await (await client.execute("SELECT id FROM shop.orders")).fetchall() == [(1,)]
        for statement in ("SELECT secret FROM shop.orders", "CREATE TABLE shop.x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await client.execute(statement)


@pytest.mark.parametrize("begin", ["SELECT 1", "BEGIN; SELECT id FROM shop.orders"])
async def test_an_idle_session_is_cut_at_once(case, begin):
    """Idle, or idle in a transaction: gone when ``end`` returns, in well under a second."""
    order, receipt = await granted(case)
    session = await case.log_in(receipt)
    await case.clients[session].execute(begin)
    async with asyncio.timeout(2):
        await case.connector.end(order.grant_id)
    assert not await case.is_open(session)
    assert await names_left(case) == []


async def test_a_busy_query_is_cut(case):
    """A query that would run for minutes ends with its grant."""
    order, receipt = await granted(case)
    client = await case.client(receipt)
    busy = asyncio.create_task(client.execute("SELECT pg_sleep(300)"))
    await asyncio.sleep(0.05)
    await case.connector.end(order.grant_id)
    with pytest.raises(psycopg.OperationalError):
        await busy
    await client.close()


async def test_an_expired_grant_cannot_log_in_and_is_swept(case):
    """After the deadline the server itself refuses; the sweep cuts the live session and removes."""
    order, receipt = await granted(case, lasting=timedelta(seconds=1))
    session = await case.log_in(receipt)
    await asyncio.sleep(1.1)
    with pytest.raises(RefusedError):
        await case.log_in(receipt)
    assert await case.is_open(session)
    report = await sweep_target(case.connector)
    assert report.ended == (order.grant_id.name_at_target,)
    assert not await case.is_open(session)


async def test_a_login_between_check_and_listing_is_cut(case):
    """A login held up right after its check is waited for and cut (the reconnect race)."""
    order, receipt = await granted(case)
    await case.as_superuser("ALTER SYSTEM SET post_auth_delay = 1", "SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
    try:
        login = asyncio.create_task(case.client(receipt))
        await asyncio.sleep(0.4)
        await case.connector.end(order.grant_id)
        client = (await asyncio.gather(login, return_exceptions=True))[0]
        if isinstance(client, psycopg.AsyncConnection):
            with pytest.raises(psycopg.OperationalError):
                await client.execute("SELECT 1")
            await client.close()
        assert (await case.connector.observe()).sessions == ()
    finally:
        await case.as_superuser(
            "ALTER SYSTEM RESET post_auth_delay", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.1)"
        )


async def test_a_role_that_owns_things_everywhere_is_removed(case):
    """Large objects here and in another database, a temporary table: all dropped with the role."""
    order, receipt = await granted(case)
    client = await case.client(receipt)
    await client.execute("CREATE TEMP TABLE t AS SELECT 1")
    await client.execute("SELECT lo_create(0)")
    async with await case.client(receipt, dbname="postgres") as elsewhere:
        await elsewhere.execute("SELECT lo_create(0)")
    await case.connector.end(order.grant_id)
    assert await names_left(case) == []
    await client.close()


async def test_prepared_transactions_are_given_up(case):
    """A transaction prepared by the user neither survives nor blocks the end."""
    order, receipt = await granted(case)
    client = await case.client(receipt)
    await client.execute("BEGIN")
    await client.execute("SELECT lo_create(0)")
    await client.execute("PREPARE TRANSACTION 'it''s held'")
    await client.close()
    await case.connector.end(order.grant_id)
    assert await case.as_superuser("SELECT gid FROM pg_prepared_xacts") == []
    assert await names_left(case) == []


async def test_strays_are_seen_and_cut(case):
    """A session whose role was dropped by hand is reported without a name, and cut."""
    order, receipt = await granted(case)
    session = await case.log_in(receipt)
    await case.as_superuser(f"DROP ROLE {order.grant_id.name_at_target}")
    assert [seen.privilege for seen in (await case.connector.observe()).sessions] == [""]
    assert await case.connector.cut_strays() == 1
    assert not await case.is_open(session)


async def test_changes_by_hand_are_deviations(case):
    """Another membership, more rights and a lost deadline are each named."""
    order, _ = await granted(case)
    name = order.grant_id.name_at_target
    await case.as_superuser(
        f"GRANT pg_monitor TO {name}",
        f"ALTER ROLE {name} VALID UNTIL 'infinity'",
        f"GRANT INSERT ON shop.orders TO {name}",
        "REVOKE DELETE ON shop.orders FROM protem_administrator CASCADE",
    )
    seen = await only(case.connector, order.grant_id)
    for part in ("pg_monitor", "deadline", "INSERT on table", "lacks DELETE"):
        assert part in seen.deviation
    assert seen.expires_at == order.expires_at


async def test_what_the_administrator_may_not_grant_is_refused(case):
    """The set-up is a ceiling: a right without grant option fails and leaves nothing."""
    await case.as_superuser("CREATE TABLE shop.vault (id int)")
    scope = Scope([Privilege(kind="table", path=("shop", "vault"), action="SELECT")])
    order = await an_order(case, scope=scope)
    with pytest.raises(RefusedError):
        await case.connector.provision(order, case.public_half())
    assert await names_left(case) == []


@pytest.mark.parametrize("name", ["n" * 64, "a\0b", "", "\ud800"])
def test_names_that_the_server_would_change_are_refused(name):
    """A name over 63 bytes could silently mean another table."""
    scope = Scope([Privilege(kind="table", path=("shop", name), action="SELECT")])
    with pytest.raises(RefusedError):
        check_scope(scope, "db")


async def test_only_signed_orders_are_obeyed(case):
    """With a key configured, an order signed by another key is refused."""
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    connector = case.connector_with(order_key=key.public_key().public_bytes_raw())
    order = (await an_order(case)).order
    for signer in (other, key):
        signed = SignedOrder(
            order=order, key_id="k", signature=signer.sign(order.canonical_bytes())
        )
        if signer is other:
            with pytest.raises(RefusedError):
                await connector.provision(signed, case.public_half())
        else:
            await connector.provision(signed, case.public_half())
    await connector.close()


async def test_sixteen_scopes_on_one_table_at_once(case):
    """Different scopes on one table at the same time never fail, nor do their ends."""
    columns = ["id", "secret"]
    orders = []
    for number in range(16):
        actions = [a for bit, a in enumerate(("SELECT", "INSERT", "UPDATE")) if number >> bit & 1]
        actions += ["DELETE"] if number >= 8 else []
        scope = Scope(
            [
                Privilege(
                    kind="table",
                    path=("shop", "orders"),
                    action=action,
                    part=None if action == "DELETE" else columns[number % 2],
                )
                for action in actions or ["DELETE"]
            ]
        )
        orders.append(await an_order(case, scope=scope))
    connectors = [case.anew() for _ in range(4)]
    await asyncio.gather(
        *(connectors[n % 4].provision(o, case.public_half()) for n, o in enumerate(orders))
    )
    await asyncio.gather(
        *(connectors[n % 4].end(order.order.grant_id) for n, order in enumerate(orders))
    )
    for connector in connectors:
        await connector.close()
    assert await names_left(case) == []


async def test_two_targets_with_one_scope_do_not_collide(case):
    """Equal scopes of two targets are separate roles, and ending one leaves the other."""
    mine, _ = await granted(case)
    neighbour = case.of_target(TargetName("neighbour"))
    theirs = await an_order(case, target=TargetName("neighbour"))
    await neighbour.provision(theirs, case.public_half())
    assert len(await names_left(case)) == 4
    await case.connector.end(mine.grant_id)
    assert (await only(neighbour, theirs.order.grant_id)).deviation == ""
    await neighbour.close()


async def test_killed_connections_are_survived(case):
    """The connector's own backends are killed at random moments; in the end all is clean."""
    order = await an_order(case)

    async def kill_for_a_while():
        for _ in range(20):
            await case.as_superuser(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'protem_administrator'"
            )

    killer = asyncio.create_task(kill_for_a_while())
    while not killer.done():
        for call in (
            case.connector.provision(order, case.public_half()),
            case.connector.end(order.order.grant_id),
        ):
            await asyncio.gather(call, return_exceptions=True)
    await killer
    await case.connector.end(order.order.grant_id)
    assert await find(case.connector, order.order.grant_id) is None
    assert await names_left(case) == []


async def test_unsettled_scope_roles_are_tidied(case):
    """A scope role left by a crash is removed by the next end, even of an absent grant."""
    order, _ = await granted(case)
    await case.as_superuser(f"DROP ROLE {order.grant_id.name_at_target}")
    assert len(await names_left(case)) == 1
    await case.connector.end(order.grant_id)
    assert await names_left(case) == []


async def test_standing_privileges_are_reported(case):
    """A superuser is listed with its reason; our own roles are not."""
    await granted(case)
    found = {
        standing.name: standing.message for standing in await case.connector.standing_privileges()
    }
    assert "superuser" in found["postgres"]
    assert not any(name.startswith("protem_0") for name in found)


async def test_no_secret_in_what_is_raised(case):
    """A wrong administrator password is refused without being repeated."""
    dsn = case.server.dsn("protem_administrator", "wrong-Pa55word", case.database)
    connector = case.connector_with(dsn=dsn)
    with pytest.raises((RefusedError, RetryLaterError)) as caught:
        await connector.observe()
    assert "wrong-Pa55word" not in repr(caught.value)
