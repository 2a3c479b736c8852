"""The connector on a network that fails at every single message, beside a real PostgreSQL.

After each fault the connector is called again, as the reconciler would; then PostgreSQL's own
catalogue, read by its superuser, must be the same as if nothing had happened.
"""

import asyncio
import itertools
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest
from tests.faults.chance import how_many, seeded
from tests.faults.postgresql_trials import (
    NOTHING,
    OPERATIONS,
    UNKNOWN,
    EndInUse,
    Extension,
    FirstUse,
    SecondUse,
    catalogue,
    connected_through,
    sent_now,
    tried,
    undisturbed,
)

from protem.testing.connector_contract import an_order
from protem.testing.cutting_proxy import Fault

pytestmark = pytest.mark.postgresql
CUTS = (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.GONE_BEFORE, Fault.GONE_AFTER)
PAIRS = how_many("PROTEM_SOAK_PAIRS", 300)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_one_cut_at_any_message_changes_nothing_in_the_end(case, proxy, kind, faults_counted):
    """Called again after any single cut: exactly the right roles, marks and rights."""
    operation = kind(case)
    messages, answer, expected = await undisturbed(case, proxy, operation)
    seen = Counter()
    for number, fault in itertools.product(range(1, messages + 1), CUTS):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            proxy.arm({number: fault})
            knows = await tried(operation, connector, proxy)
            seen["known" if knows else "unknown"] += 1
            assert await operation.act(connector) == answer, (number, fault)
            assert await catalogue(case) == expected, (number, fault)
            await operation.clear()
            assert await catalogue(case) == NOTHING, (number, fault)
    print(f"\n{kind.__name__}: {messages} messages, {seen.total()} cuts, outcome {dict(seen)}")
    faults_counted("connections cut", seen.total())
    assert seen["unknown"], "no cut was ever noticed"


@pytest.mark.parametrize("kind", [FirstUse, SecondUse, Extension])
async def test_a_cut_provision_can_be_ended_instead(case, proxy, kind):
    """Given up at any message and revoked: whole or absent at once, and gone after the end."""
    operation = kind(case)
    messages, _, expected = await undisturbed(case, proxy, operation)
    for number, fault in itertools.product(range(1, messages + 1), CUTS):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            proxy.arm({number: fault})
            await tried(operation, connector, proxy)
            roles, members, rights, _, _ = await catalogue(case)
            assert rights in ((), expected[2]), (number, fault)
            assert all(row in expected[1] for row in members), (number, fault)
            assert all(comment for *_, comment in roles), (number, fault)
            await operation.clear()
            assert await catalogue(case) == NOTHING, (number, fault)


async def test_two_cuts_anywhere_in_a_life_change_nothing_in_the_end(case, proxy, faults_counted):
    """Seeded pairs of cuts over provision, use and end, also inside the connector's own retries."""
    chance = seeded("pairs of cuts")
    operation = EndInUse(case)
    provision, _, _ = await undisturbed(case, proxy, FirstUse(case))
    end, _, _ = await undisturbed(case, proxy, operation)
    longest = provision + end + 10
    unknown = 0
    for _ in range(PAIRS):
        faults = {chance.randint(1, longest): chance.choice(CUTS) for _ in range(2)}
        order, half = await an_order(case), case.public_half()
        async with connected_through(case, proxy) as connector:
            proxy.arm(faults)
            receipt = None
            while receipt is None:
                try:
                    receipt = await connector.provision(order, half)
                except UNKNOWN:
                    proxy.heal()
                    unknown += 1
            async with await case.client(receipt) as client:
                assert await (await client.execute("SELECT id FROM shop.orders")).fetchall()
                while True:
                    try:
                        await connector.end(order.order.grant_id)
                    except UNKNOWN:
                        proxy.heal()
                        unknown += 1
                    else:
                        break
                with pytest.raises(psycopg.OperationalError):
                    await client.execute("SELECT 1")
        assert await catalogue(case) == NOTHING, faults
    print(f"\n{PAIRS} pairs of cuts, {unknown} calls with an unknown outcome")
    faults_counted("pairs of connections cut", PAIRS)
    assert unknown


@pytest.mark.parametrize("fault", [Fault.LATE, Fault.HELD], ids=["lost", "paused"])
@pytest.mark.parametrize("kind", [FirstUse, SecondUse])
async def test_what_arrives_after_provision_by_makes_nothing(case, proxy, kind, fault):
    """Held up at any message, by the network or because its sender was stopped, and ended since.

    The end that began after ``provision_by`` is the last: nothing may appear after it.
    """
    operation = kind(case)
    messages, _, expected = await undisturbed(case, proxy, operation)
    for number in range(1, messages + 1):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            before = await catalogue(case)
            operation.order = await sent_now(case, operation.order, timedelta(seconds=0.3))
            proxy.arm({number: fault})
            making = asyncio.create_task(tried(operation, connector, proxy))
            await proxy.held.wait()
            await asyncio.sleep(0.35)
            ending = asyncio.create_task(case.connector.end(operation.order.order.grant_id))
            finished, _ = await asyncio.wait({ending}, timeout=0.3)
            await proxy.deliver()
            await asyncio.gather(making, ending, return_exceptions=True)
            if finished:  # otherwise it waited for the provision, and may have to be called again
                assert (await catalogue(case))[0] in ((), before[0]), (number, fault)
            await operation.clear()
            assert await catalogue(case) == NOTHING, (number, fault)
    assert expected != NOTHING


async def test_what_arrives_in_time_is_ended_by_the_end_that_follows(case, proxy):
    """Before ``provision_by`` a late message may take effect; a grant is ended once more then."""
    operation = SecondUse(case)
    async with connected_through(case, proxy) as connector:
        await operation.prepare(connector)
        proxy.arm({1: Fault.LATE})
        assert not await tried(operation, connector, proxy)
        await case.connector.end(operation.order.order.grant_id)
        await proxy.deliver()
        names = [row[0] for row in (await catalogue(case))[0]]
        assert operation.order.order.grant_id.name_at_target in names
        await operation.clear()
    assert await catalogue(case) == NOTHING


async def test_an_end_that_arrives_late_takes_nothing_from_another_grant(case, proxy):
    """Another grant of the scope, made while an end's message was on its way, stays whole."""
    operation = EndInUse(case)
    messages, _, _ = await undisturbed(case, proxy, operation)
    second = FirstUse(case)
    _, _, expected = await undisturbed(case, proxy, second)
    for number in range(1, messages + 1):
        async with connected_through(case, proxy) as connector:
            await operation.prepare(connector)
            proxy.arm({number: Fault.LATE})
            await tried(operation, connector, proxy)
            making = asyncio.create_task(second.act(case.connector))
            await asyncio.wait({making}, timeout=0.05)
            await proxy.deliver()
            await making
            await operation.act(case.connector)
            assert await catalogue(case) == expected, number
            await operation.clear()
            await second.clear()


async def test_a_silent_network_is_given_up(case, proxy):
    """Nothing is answered and nothing refused: a call can be abandoned, and the grant ended."""
    operation = SecondUse(case)
    async with connected_through(case, proxy) as connector:
        await operation.prepare(connector)
        proxy.arm({1: Fault.SILENCE})
        with suppress(*UNKNOWN), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await operation.act(connector)
        proxy.heal()
        await operation.clear()
        await proxy.deliver()
        await operation.clear()
    assert await catalogue(case) == NOTHING
