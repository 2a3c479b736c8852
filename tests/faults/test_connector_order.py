"""The order in which the connector ends a grant, seen by stopping it after each of its messages."""

import asyncio

import psycopg
import pytest
from psycopg import sql
from tests.faults.postgresql_trials import (
    EndInUse,
    FirstUse,
    catalogue,
    connected_through,
    tried,
    undisturbed,
)

from protem.domain.errors import RetryLaterError
from protem.testing.cutting_proxy import Fault

pytestmark = pytest.mark.postgresql


async def is_open(client):
    """Whether a session still answers."""
    try:
        await client.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


async def test_logins_are_refused_before_sessions_are_cut(case, proxy):
    """Stopped after any message of an end: nobody was cut who could come back."""
    operation = EndInUse(case)
    messages, _, _ = await undisturbed(case, proxy, operation)
    cut = 0
    for number in range(1, messages + 1):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            proxy.arm({number: Fault.GONE_BEFORE})
            await tried(operation, connector, proxy)
            can_log_in = any(row[1] for row in (await catalogue(case))[0])
            cut += not await is_open(operation.client)
            assert not can_log_in or await is_open(operation.client), number
            await operation.act(case.connector)
            await operation.clear()
    assert cut, "no stop was late enough"


async def test_an_end_makes_good_one_lost_connection_by_itself(case, proxy):
    """Cut once at any message: the same call connects again and finishes the work."""
    operation = EndInUse(case)
    messages, _, expected = await undisturbed(case, proxy, operation)
    for number in range(1, messages + 1):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            proxy.arm({number: Fault.CUT_BEFORE})
            await operation.act(connector)
            assert await catalogue(case) == expected, number
            await operation.clear()


async def test_an_end_is_true_only_if_the_target_says_so(case, proxy):
    """Made again by somebody just after it was dropped: the end does not claim that it is gone."""
    operation = FirstUse(case)
    await operation.prepare(case.connector)
    role = operation.order.order.grant_id.name_at_target
    for number in range(1, 50):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            await operation.act(connector)
            proxy.arm({number: Fault.HELD})
            ending = asyncio.create_task(connector.end(operation.order.order.grant_id))
            await proxy.held.wait()
            if any(row[0] == role for row in (await catalogue(case))[0]):
                await proxy.deliver()
                await ending
                continue
            await case.as_superuser(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            await proxy.deliver()
            with pytest.raises(RetryLaterError):
                await ending
            await case.as_superuser(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
            return
    pytest.fail("it was never dropped")
