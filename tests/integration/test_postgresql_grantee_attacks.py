"""A grantee with psql in hand attacks the role, its neighbours and its own end."""

from contextlib import suppress

import psycopg
import pytest
from psycopg import sql

from protem.connectors.postgresql.marks import GRANT_LOCK, SCOPE_MARK, lock_key
from protem.testing.connector_contract import an_order, find

pytestmark = pytest.mark.postgresql


async def granted(case):
    """Provision one grant and return its order and receipt."""
    order = await an_order(case)
    return order.order, await case.connector.provision(order, case.public_half())


async def role_is_gone(case, order):
    """Say whether the grant's role is gone from the catalogue."""
    name = sql.Literal(order.grant_id.name_at_target)
    query = sql.SQL("SELECT FROM pg_roles WHERE rolname = {}").format(name)
    return await case.as_superuser(query) == []


async def test_a_user_that_holds_its_own_role_row_is_ended(case):
    """An open ALTER ROLE of oneself locks the row that NOLOGIN changes; it does not keep one in."""
    order, receipt = await granted(case)
    client = await case.client(receipt)
    await client.execute("BEGIN")
    await client.execute("ALTER ROLE CURRENT_USER PASSWORD 'mine'")
    await case.connector.end(order.grant_id)
    assert await role_is_gone(case, order)
    with pytest.raises(psycopg.OperationalError):
        await client.execute("SELECT 1")
    await client.close()


async def test_a_user_that_prepared_its_own_role_row_is_ended(case):
    """The same lock held by a prepared transaction, which no session owns, is given up."""
    order, receipt = await granted(case)
    async with await case.client(receipt) as client:
        await client.execute("BEGIN")
        await client.execute("ALTER ROLE CURRENT_USER PASSWORD 'mine'")
        await client.execute("PREPARE TRANSACTION 'mine'")
    await case.connector.end(order.grant_id)
    assert await role_is_gone(case, order)


async def test_our_advisory_locks_are_nobodys_weapon(case):
    """Whoever holds the keys that our own code takes can delay neither a grant nor an end."""
    order, receipt = await granted(case)
    _, other = await granted(case)
    scope_role = (
        await case.as_superuser(
            sql.SQL("SELECT rolname FROM pg_roles WHERE starts_with(rolname, {})").format(
                sql.Literal(SCOPE_MARK)
            )
        )
    )[0][0]
    async with await case.client(receipt) as victim, await case.client(other) as attacker:
        await victim.execute("SELECT lo_create(0)")  # makes the end need DROP OWNED
        for key in (GRANT_LOCK, lock_key(scope_role)):
            await attacker.execute(sql.SQL("SELECT pg_advisory_lock({})").format(key))
        fresh = case.anew()
        try:
            await fresh.provision(await an_order(case), case.public_half())
        finally:
            await fresh.close()
        await case.connector.end(order.grant_id)
        assert await role_is_gone(case, order)


async def test_a_neighbour_cannot_keep_a_role_there(case):
    """A neighbour's open GRANT to a role locks that role; it is dropped all the same."""
    order, _ = await granted(case)
    _, other = await granted(case)
    attacker = await case.client(other)
    await attacker.execute("BEGIN")
    await attacker.execute("CREATE TEMP TABLE t ()")
    await attacker.execute(
        sql.SQL("GRANT SELECT ON t TO {}").format(sql.Identifier(order.grant_id.name_at_target))
    )
    await case.connector.end(order.grant_id)
    assert await role_is_gone(case, order)
    await attacker.close()


async def test_a_user_cannot_weaken_the_scope_of_others(case):
    """Nothing that a user can say changes a shared scope role or a neighbour."""
    _, receipt = await granted(case)
    neighbour, other = await granted(case)
    (scope_role,) = (
        await case.as_superuser("SELECT rolname FROM pg_roles WHERE rolname ~ '^protem_scope_'")
    )[0]
    role = sql.Identifier(scope_role)
    neighbour_role = sql.Identifier(neighbour.grant_id.name_at_target)
    async with await case.client(receipt) as client:
        for attack in (
            "DROP OWNED BY {scope}",
            "REASSIGN OWNED BY {scope} TO CURRENT_USER",
            "REVOKE {scope} FROM {neighbour}",
            "GRANT {scope} TO CURRENT_USER WITH ADMIN OPTION",
            "REVOKE ALL ON shop.orders FROM {scope}",
            "REVOKE CONNECT ON DATABASE shop_db FROM {scope}",
            "ALTER ROLE {neighbour} NOLOGIN",
            "DROP ROLE {neighbour}",
            "COMMENT ON ROLE {scope} IS 'x'",
            "COMMENT ON ROLE CURRENT_USER IS 'x'",
            "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
            "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {scope} GRANT ALL ON TABLES TO PUBLIC",
            "GRANT SELECT ON shop.orders TO PUBLIC",
        ):
            with suppress(psycopg.Error):
                await client.execute(sql.SQL(attack).format(scope=role, neighbour=neighbour_role))
    observed = await find(case.connector, neighbour.grant_id)
    assert observed.deviation == ""
    assert observed.scope == case.scope
    async with await case.client(other) as client:
        await client.execute("SELECT id FROM shop.orders")


async def test_who_was_let_in_by_a_grantee_is_seen(case):
    """Before version 16 a role may admit others to itself; the reader of the target is told."""
    order, receipt = await granted(case)
    await case.as_superuser("DROP ROLE IF EXISTS app", "CREATE ROLE app LOGIN")
    admitted = True
    async with await case.client(receipt) as client:
        try:
            await client.execute("GRANT CURRENT_USER TO app")
        except psycopg.Error:
            admitted = False
    deviation = (await find(case.connector, order.grant_id)).deviation
    assert ("'app'" in deviation) == admitted
    await case.connector.end(order.grant_id)
    await case.as_superuser("DROP ROLE app")
