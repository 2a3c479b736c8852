"""Every planner, and the fake, keeps the promises of the planner port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from protem.domain.commands import Command
from protem.domain.errors import InvalidError
from protem.domain.plans import Plan
from protem.domain.scopes import Privilege, Scope
from protem.domain.secret import Secret
from protem.planners.postgresql import PostgresqlPlanner
from protem.testing import postgresql_server
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.planner_contract import PlannerCase, PlannerContract


def _psql(statement: str) -> Command:
    return Command(argv=("psql", "-c", statement))


def _plan(table: str) -> Plan:
    privilege = Privilege(kind="table", path=("shop", table), action="SELECT", part="id")
    return Plan(scope=Scope([privilege]), statements=(f"select id from {table}",))


class TestInMemoryPlanner(PlannerContract):
    """The fake keeps the promises."""

    @pytest.fixture
    def case(self) -> PlannerCase:
        """Return the fake."""
        commands = (_psql("select id from orders"), _psql("select id from customers"))
        rejected = _psql("selec")
        planner = InMemoryPlanner(
            {
                commands[0].argv: _plan("orders"),
                commands[1].argv: _plan("customers"),
                rejected.argv: InvalidError("syntax error"),
            }
        )
        return PlannerCase(
            planner=planner, plannable=commands, unplannable=_psql("vacuum"), rejected=rejected
        )


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """Return the address of a server with two tables."""
    server = postgresql_server.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create schema shop")
            connection.execute("create table shop.orders (id int, customer int)")
            connection.execute("create table shop.customers (id int, name text)")
        yield server.dsn()
    finally:
        server.stop()


@pytest.mark.postgresql
class TestPostgresqlPlanner(PlannerContract):
    """The planner for PostgreSQL keeps the promises."""

    @pytest.fixture
    async def case(self, dsn: str) -> AsyncIterator[PlannerCase]:
        """Return a planner of a real server."""
        planner = PostgresqlPlanner(lambda: Secret(dsn))
        yield PlannerCase(
            planner=planner,
            plannable=(
                _psql("select id from shop.orders"),
                _psql("delete from shop.customers where name = 'x'"),
                _psql("insert into shop.orders values (1, 2)"),
            ),
            unplannable=_psql("vacuum"),
            rejected=_psql("selec 1"),
        )
        await planner.close()
