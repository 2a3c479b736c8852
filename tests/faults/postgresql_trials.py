"""Trials of the PostgreSQL connector on a network that fails: what is done, and what must be there.

Here: the operations, each repeatable on the same grant, and the catalogue as the superuser sees it.
Not here: faults; the tests choose them.
"""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from tests.contracts.connector_cases import ADMIN, ADMIN_PASSWORD

from protem.domain.errors import IndeterminateError, RetryLaterError
from protem.testing.connector_contract import an_order

UNKNOWN = (RetryLaterError, IndeterminateError)
"""What a call may answer whose connection was cut: never that the target refuses for good."""
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
