"""The planner and what extensions bring: foreign tables, other servers, operators of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from protem.domain.commands import Command
from protem.domain.plans import Plan, Trait
from protem.domain.scopes import Privilege
from protem.domain.secret import Secret
from protem.planners.postgresql import PostgresqlPlanner
from protem.testing import postgresql_server

pytestmark = pytest.mark.postgresql

_SCHEMA = """
create schema ext;
create extension citext schema ext;
create extension dblink schema ext;
create extension file_fdw;
create extension postgres_fdw;
create server files foreign data wrapper file_fdw;
create server elsewhere foreign data wrapper postgres_fdw options (dbname 'postgres');
create foreign table public.lines (line text) server files options (filename '/dev/null');
create foreign table public.far (id integer) server elsewhere;
create view public.far_away as select id from public.far;
create table public.people (id integer, email ext.citext);
alter database postgres set search_path to public, ext;
"""


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """Return the address of a server with extensions."""
    server = postgresql_server.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(_SCHEMA)
        yield server.dsn()
    finally:
        server.stop()


@pytest.fixture
async def planner(dsn: str) -> AsyncIterator[PostgresqlPlanner]:
    """Return a planner of that server."""
    made = PostgresqlPlanner(lambda: Secret(dsn))
    yield made
    await made.close()


async def _plan(planner: PostgresqlPlanner, statement: str) -> Plan:
    return await planner.plan(Command(argv=("psql", "-c", statement)))


async def test_a_foreign_table_over_a_file(planner: PostgresqlPlanner) -> None:
    """Reading a file_fdw table is reading a file of the server's host."""
    plan = await _plan(planner, "select line from lines limit 1")
    assert plan.traits == {Trait.READS_SERVER_FILES}


@pytest.mark.parametrize("relation", ["far", "far_away"])
async def test_a_foreign_table_elsewhere(planner: PostgresqlPlanner, relation: str) -> None:
    """A foreign table reaches the network, also through a view."""
    plan = await _plan(planner, f"select id from {relation} where id = 1")
    assert plan.traits == {Trait.REACHES_NETWORK}


async def test_dblink(planner: PostgresqlPlanner) -> None:
    """A call of dblink reaches the network and needs its schema and EXECUTE."""
    plan = await _plan(planner, "select * from dblink('x', 'select 1') as t (a integer)")
    assert Trait.REACHES_NETWORK in plan.traits
    assert plan.scope.covers(Privilege(kind="schema", path=("ext",), action="USAGE"))
    executes = {p.path for p in plan.scope if p.action == "EXECUTE"}
    assert executes == {("ext", "dblink", "text, text")}


async def test_an_operator_found_by_search_path(planner: PostgresqlPlanner) -> None:
    """An operator of an extension needs USAGE of its schema and EXECUTE of its function."""
    plan = await _plan(planner, "select id from people where email = 'x'")
    assert plan.scope.covers(Privilege(kind="schema", path=("ext",), action="USAGE"))
    executes = {p.path for p in plan.scope if p.kind == "function"}
    assert executes == {("ext", "citext_eq", "ext.citext, ext.citext")}
    assert {p for p in plan.held_by_everyone if p.kind == "function"} == {
        p for p in plan.scope if p.kind == "function"
    }


async def test_implied_equality(planner: PostgresqlPlanner) -> None:
    """GROUP BY and DISTINCT execute the equality function of the column's type."""
    for statement in (
        "select count(*) from people group by email",
        "select distinct email from people",
        "select email from people union select email from people",
        "select rank() over (partition by email) from people",
    ):
        plan = await _plan(planner, statement)
        assert ("ext", "citext_eq", "ext.citext, ext.citext") in {p.path for p in plan.scope}
