"""The connector on a network that fails at every single message, beside a real PostgreSQL.

After each fault the connector is called again, as the reconciler would; then PostgreSQL's own
catalogue, read by its superuser, must be the same as if nothing had happened.
"""

import asyncio
import itertools
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from tests.contracts.connector_cases import ADMIN, ADMIN_PASSWORD, postgresql_case
from tests.faults.chance import how_many, seeded

from protem.domain.errors import IndeterminateError, RetryLaterError
from protem.testing import cutting_proxy, postgresql_server
from protem.testing.connector_contract import an_order
from protem.testing.cutting_proxy import Fault

pytestmark = pytest.mark.postgresql
CUTS = (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.GONE_BEFORE, Fault.GONE_AFTER)
PAIRS = how_many("PROTEM_SOAK_PAIRS", 300)
UNKNOWN = (RetryLaterError, IndeterminateError)
"""What a call may answer whose connection was cut: never that the target refuses for good."""
VERSIONS = sorted(postgresql_server.find_binaries())[-1:] or [None]
OURS = r"rolname ~ '^protem_([0-7]|scope_)'"
ROLES = f"""
SELECT rolname, rolcanlogin, rolvaliduntil, rolconnlimit, rolconfig,
       rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls,
       shobj_description(oid, 'pg_authid')
FROM pg_roles WHERE {OURS} ORDER BY 1
"""
MEMBERS = f"""
SELECT r.rolname, u.rolname, to_jsonb(m) - '{{oid,roleid,member,grantor}}'::text[]
FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
WHERE r.{OURS} OR u.{OURS} ORDER BY 1, 2, 3
"""
RIGHTS = f"""
SELECT r.rolname, a.class, a.name, x.privilege_type, x.is_grantable FROM (
    SELECT 'database' AS class, datname::text AS name, datacl AS acl FROM pg_database
    UNION ALL SELECT 'schema', nspname, nspacl FROM pg_namespace
    UNION ALL SELECT 'relation', oid::regclass::text, relacl FROM pg_class
    UNION ALL SELECT 'column', attrelid::regclass::text || '.' || attname, attacl FROM pg_attribute
    UNION ALL SELECT 'function', oid::regprocedure::text, proacl FROM pg_proc
) a, aclexplode(a.acl) x JOIN pg_roles r ON r.oid = x.grantee WHERE r.{OURS} ORDER BY 1, 2, 3, 4
"""
SESSIONS = f"SELECT rolname FROM pg_stat_activity JOIN pg_roles ON usename = rolname WHERE {OURS}"
BELONGINGS = "SELECT oid FROM pg_largeobject_metadata"
NOTHING = ((), (), (), (), ())


@pytest.fixture(scope="module", params=VERSIONS)
def server(request):
    """Start a server."""
    server = postgresql_server.start(request.param)
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


@asynccontextmanager
async def connected_through(case, proxy):
    """A connector with no memory whose every byte passes the proxy."""
    dsn = f"postgresql://{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:{proxy.port}/{case.database}"
    connector = case.connector_with(dsn=dsn)
    try:
        yield connector
    finally:
        await connector.close()


async def catalogue(case):
    """What PostgreSQL itself says is there of ours."""
    asked = [
        await (await case.asking.execute(query)).fetchall()
        for query in (ROLES, MEMBERS, RIGHTS, SESSIONS, BELONGINGS)
    ]
    return tuple(map(tuple, asked))


async def sent_now(case, signed, good_for=timedelta(seconds=25)):
    """The same order, or a new one, as the reconciler dates each try anew."""
    now = await case.now()
    signed = signed or await an_order(case)
    order = replace(signed.order, issued_at=now, provision_by=now + good_for)
    return replace(signed, order=order)


class FirstUse:
    """A grant whose scope has no role yet: the careful way."""

    def __init__(self, case):
        self.case = case
        self.order = self.half = None

    async def prepare(self, connector):
        """Nothing is there before."""
        del connector
        if self.order is None:
            self.order, self.half = await an_order(self.case), self.case.public_half()
        self.order = await sent_now(self.case, self.order)

    async def act(self, connector):
        """Provision."""
        return await connector.provision(self.order, self.half)

    async def clear(self):
        """End every grant of the trial."""
        await self.case.connector.end(self.order.order.grant_id)


class SecondUse(FirstUse):
    """Another grant of a scope that the connector read back a moment ago: the short way."""

    first = None

    async def prepare(self, connector):
        """The scope is in use."""
        await super().prepare(connector)
        self.first = await sent_now(self.case, self.first)
        await connector.provision(self.first, self.half)

    async def clear(self):
        """End both."""
        await super().clear()
        await self.case.connector.end(self.first.order.grant_id)


class Extension(FirstUse):
    """A second order for the same grant that expires later."""

    later = None

    async def prepare(self, connector):
        """The grant is there."""
        await super().prepare(connector)
        await connector.provision(self.order, self.half)
        self.later = self.later or await an_order(
            self.case, lasting=timedelta(hours=2), grant_id=self.order.order.grant_id
        )
        self.later = await sent_now(self.case, self.later)

    async def act(self, connector):
        """Move the deadline."""
        return await connector.provision(self.later, self.half)


class Look(SecondUse):
    """Reading back."""

    async def prepare(self, connector):
        """Two grants are there."""
        await super().prepare(connector)
        await connector.provision(self.order, self.half)

    async def act(self, connector):
        """Observe; what is seen is part of what must be the same."""
        return replace(await connector.observe(), at=self.order.order.expires_at)


class EndInUse(FirstUse):
    """Ending a grant with a live session."""

    async def prepare(self, connector):
        """Someone is logged in."""
        self.order, self.half = await an_order(self.case), self.case.public_half()
        receipt = await connector.provision(self.order, self.half)
        self.client = await self.case.client(receipt)

    async def act(self, connector):
        """End."""
        await connector.end(self.order.order.grant_id)

    async def clear(self):
        """Let go of the session, which must be dead."""
        with pytest.raises(psycopg.OperationalError):
            await self.client.execute("SELECT 1")
        await self.client.close()


class EndWithBelongings(EndInUse):
    """Ending a grant whose user owns things, here and in another database."""

    async def prepare(self, connector):
        """Leave a large object here and there, and a table."""
        await super().prepare(connector)
        await self.client.execute("CREATE TEMP TABLE t AS SELECT 1")
        await self.client.execute("SELECT lo_create(0)")
        login = {"host": "127.0.0.1", "port": str(self.case.server.port), "dbname": "postgres"}
        role = self.order.order.grant_id.name_at_target
        elsewhere = await psycopg.AsyncConnection.connect(
            **login, user=role, password=self.client.info.password, autocommit=True
        )
        async with elsewhere:
            await elsewhere.execute("SELECT lo_create(0)")


class EndOfOneOfTwo(EndInUse):
    """Ending one of two grants that share a scope (law 8)."""

    other = None

    async def prepare(self, connector):
        """Both are there."""
        await super().prepare(connector)
        self.other = await sent_now(self.case, self.other)
        await connector.provision(self.other, self.half)

    async def clear(self):
        """End the other one too."""
        await super().clear()
        await self.case.connector.end(self.other.order.grant_id)


OPERATIONS = (FirstUse, SecondUse, Extension, Look, EndInUse, EndWithBelongings, EndOfOneOfTwo)


async def tried(operation, connector, proxy):
    """Act once; say whether the connector knows that it is done."""
    try:
        await operation.act(connector)
    except UNKNOWN:
        return False
    finally:
        proxy.heal()
    return True


async def undisturbed(case, proxy, operation):
    """Act without a fault: how many messages that takes, what it answers and what is there."""
    async with connected_through(case, proxy) as connector:
        await operation.prepare(connector)
        proxy.arm({})
        answer = await operation.act(connector)
        count, expected = proxy.count, await catalogue(case)
        await operation.clear()
    assert await catalogue(case) == NOTHING
    return count, answer, expected


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_one_cut_at_any_message_changes_nothing_in_the_end(case, proxy, kind):
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


async def test_two_cuts_anywhere_in_a_life_change_nothing_in_the_end(case, proxy):
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
