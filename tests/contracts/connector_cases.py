"""One case for each connector, and one for the fake: how to stand up what is tested."""

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from protem.connectors.postgresql import (
    PostgresqlConnector,
    setup_statements,
)
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.orders import PublicHalf
from protem.domain.scopes import Privilege, Scope
from protem.domain.scram import FORM, scram_verifier
from protem.domain.secret import Secret
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.manual_clock import ManualClock
from protem.testing.postgresql_server import PostgresqlServer

ADMIN, ADMIN_PASSWORD = "protem_administrator", "for-this-test-only"
TARGET = TargetName("orders-db")
CLIENT_PASSWORD = Secret("0123456789abcdef0123456789abcdef")
HOSTILE = 'it\'s; DROP "x"\n--\\ %s {} ü\u202e'


def a_verifier() -> PublicHalf:
    """Return a verifier of ``CLIENT_PASSWORD`` with a salt of its own."""
    return PublicHalf(form=FORM, value=scram_verifier(CLIENT_PASSWORD, os.urandom(16)))


def scope_of(database: str, schema: str = "shop", table: str = "orders") -> Scope:
    """Return a scope of every kind of privilege, with names as given."""
    return Scope(
        [
            Privilege(kind="database", path=(database,), action="CONNECT"),
            Privilege(kind="schema", path=(schema,), action="USAGE"),
            Privilege(kind="table", path=(schema, table), action="SELECT", part="id"),
            Privilege(kind="table", path=(schema, table), action="SELECT", part=HOSTILE),
            Privilege(kind="table", path=(schema, table), action="UPDATE", part="id"),
            Privilege(kind="table", path=(schema, table), action="DELETE"),
            Privilege(kind="sequence", path=(schema, table + "_seq"), action="USAGE"),
            Privilege(kind="function", path=(schema, table, "a integer, b text"), action="EXECUTE"),
        ]
    )


class PostgresqlCase:
    """A database of its own with a non-superuser administrator."""

    target = TARGET
    statement = "UPDATE shop.orders SET id = id + 1 WHERE id = 1"

    def __init__(self, server: PostgresqlServer, database: str) -> None:
        self.server, self.database = server, database
        self.scope = scope_of(database)
        self.hostile_scope = scope_of(database, HOSTILE, "o'r\n\"%s;--")
        self.connector = self.of_target(TARGET)
        self.others: list[PostgresqlConnector] = []
        self.clients: dict[str, psycopg.AsyncConnection] = {}

    def connector_with(self, *, dsn: str = "", **options) -> PostgresqlConnector:
        """Return a connector that works as the non-superuser administrator."""
        dsn = dsn or self.server.dsn(ADMIN, ADMIN_PASSWORD, self.database)
        login = {"host": "127.0.0.1", "port": str(self.server.port), "dbname": self.database}
        return PostgresqlConnector(Secret(dsn), **{"target": TARGET, "login": login, **options})

    def of_target(self, name: TargetName) -> PostgresqlConnector:
        """Return another connector."""
        return self.connector_with(target=name)

    def anew(self) -> PostgresqlConnector:
        """Return a connector with no memory."""
        return self.of_target(TARGET)

    def unreachable(self) -> PostgresqlConnector:
        """Return a connector to a port where nobody listens."""
        dsn = f"postgresql://{ADMIN}:{ADMIN_PASSWORD}@127.0.0.1:1/{self.database}"
        return self.connector_with(dsn=dsn)

    def public_half(self) -> PublicHalf:
        """Return a fresh verifier."""
        return a_verifier()

    async def superuser(self, database: str | None = None) -> psycopg.AsyncConnection:
        """Connect as the server's superuser."""
        return await psycopg.AsyncConnection.connect(
            self.server.dsn(dbname=database or self.database), autocommit=True
        )

    async def as_superuser(self, *statements: str | sql.Composable):
        """Run statements as superuser; return the last one's rows."""
        connection = await self.superuser()
        async with connection:
            for statement in statements:
                cursor = await connection.execute(statement)
            return await cursor.fetchall() if cursor.description is not None else []

    async def now(self) -> datetime:
        """Return the server's time."""
        return (await self.as_superuser("SELECT clock_timestamp()"))[0][0].astimezone(UTC)

    async def client(self, receipt, **extra) -> psycopg.AsyncConnection:
        """Log in as the user's tool would."""
        return await psycopg.AsyncConnection.connect(
            **{**receipt.login, **extra}, password=CLIENT_PASSWORD.reveal(), autocommit=True
        )

    async def log_in(self, receipt) -> str:
        """Open a session."""
        try:
            client = await self.client(receipt)
        except psycopg.OperationalError as error:
            raise RefusedError(str(error)) from error
        handle = str(client.info.backend_pid)
        self.clients[handle] = client
        return handle

    async def is_open(self, session: str) -> bool:
        """Say whether it answers, and can read what the scope allows."""
        try:
            await self.clients[session].execute("SELECT id FROM shop.orders")
        except psycopg.OperationalError:
            return False
        return True

    async def close(self) -> None:
        """Let go of everything."""
        for client in self.clients.values():
            await client.close()
        await self.connector.close()


class InMemoryCase:
    """The fake on a clock that stands still."""

    target = TARGET
    statement = "anything"

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.connector = InMemoryConnector(self.clock, name=TARGET)
        self.scope, self.hostile_scope = scope_of("db"), scope_of("db", HOSTILE)

    async def now(self) -> datetime:
        """Return the clock's time."""
        return self.clock.now()

    def public_half(self) -> PublicHalf:
        """Return a fresh verifier."""
        return a_verifier()

    async def log_in(self, receipt) -> str:
        """Open a session."""
        return self.connector.target.open_session(GrantId(receipt.login["user"][7:]))

    async def is_open(self, session: str) -> bool:
        """Say whether it is there."""
        return session in self.connector.target.sessions

    def anew(self) -> InMemoryConnector:
        """Return another connector over the same target."""
        return self.of_target(TARGET)

    def of_target(self, name: TargetName) -> InMemoryConnector:
        """Return a connector of another name over the same memory."""
        return InMemoryConnector(self.clock, name=name, target=self.connector.target)

    def unreachable(self) -> InMemoryConnector:
        """Return one that fails each time."""
        connector = self.anew()
        connector.fail_next(RetryLaterError("nobody answers"), times=10)
        return connector


def _objects(schema: str, table: str) -> list[sql.Composed]:
    names = {
        "schema": sql.Identifier(schema),
        "table": sql.Identifier(schema, table),
        "column": sql.Identifier(HOSTILE),
        "sequence": sql.Identifier(schema, table + "_seq"),
    }
    return [
        sql.SQL(text).format(**names)
        for text in (
            "CREATE SCHEMA {schema}",
            "CREATE TABLE {table} (id int, {column} text, secret text)",
            "INSERT INTO {table} VALUES (1, 'a', 'b')",
            "CREATE SEQUENCE {sequence}",
            "CREATE FUNCTION {table}(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "REVOKE EXECUTE ON FUNCTION {table}(int, text) FROM PUBLIC",
        )
    ]


@asynccontextmanager
async def postgresql_case(server: PostgresqlServer, database: str = "shop_db"):
    """Make a database with objects of plain and hostile names, and drop it afterwards."""
    everywhere = await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True)
    async with everywhere:
        await everywhere.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        found = await everywhere.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ADMIN])
        is_new = await found.fetchone() is None
        case = PostgresqlCase(server, database)
        hostile = case.hostile_scope
        path = next(p.path for p in hostile if p.kind == "table")
        await case.as_superuser(
            *_objects("shop", "orders"),
            *_objects(*path),
            *setup_statements(ADMIN, database, ["shop", HOSTILE], create=is_new),
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(ADMIN), sql.Literal(ADMIN_PASSWORD)
            ),
        )
        try:
            yield case
        finally:
            await case.close()
            await everywhere.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
            )
            left = await everywhere.execute(
                "SELECT rolname FROM pg_roles WHERE rolname ~ '^protem_(0|scope_)'"
            )
            for (role,) in await left.fetchall():
                await everywhere.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


Case = Callable[..., AbstractAsyncContextManager]
CASES: dict[str, Case] = {"postgresql": postgresql_case}
"""By scheme; a connector without a case makes the guard test fail."""
