"""The planner against real servers: its scopes are sufficient and minimal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from protem.domain.commands import Command
from protem.domain.plans import Plan
from protem.domain.scopes import Scope
from protem.domain.secret import Secret
from protem.planners.postgresql import PostgresqlPlanner
from protem.planners.postgresql.grants import grant_statements
from protem.testing import postgresql_server
from protem.testing.postgresql_server import PostgresqlServer

pytestmark = pytest.mark.postgresql

_SCHEMA = Path(__file__).parent.parent / "conformance/postgresql_node_trees"
_ROLE = 'debug "role"; --'
_DENIALS = ("42501", "42P01", "42883", "42704")
"""Insufficient privilege; or unknown, which is what a schema without USAGE looks like."""

STATEMENTS = [
    # reading
    "select id, status from shop.orders where customer = 7",
    "select * from shop.plain",
    "select count(*) from shop.plain",
    "select count(*) from shop.customers",
    "select 1 from shop.empty_columns",
    "select e from shop.empty_columns e",
    "select p from shop.plain p",
    "select p.* from shop.plain as p (x, y, z) where z > 1",
    "select ctid, tableoid, a from shop.plain",
    "select xmin from shop.plain",
    "select o.id, c.name from shop.orders o join shop.customers c on c.id = o.customer",
    "select name from shop.customers natural join (values (1)) as v (id)",
    "select 1 where exists (select from shop.orders where total > 5)",
    "with x as (select status from shop.orders) select count(*) from x",
    (
        "with recursive r as (select a from shop.plain union all"
        " select p.b from shop.plain p join r on r.a = p.a where p.b < 0) select * from r"
    ),
    "select status, sum(total) from shop.orders group by status having max(id) > 0 order by 1",
    "select id, row_number() over (partition by customer order by total) from shop.orders",
    "select a from shop.plain union select id from shop.parent except select 5",
    "select distinct on (customer) customer, id from shop.orders order by customer, total",
    "select id from shop.orders where status in ('new', 'x') and total between 1 and 5 limit 3",
    "table shop.parent",
    "values (1), (2)",
    "select * from shop.orders tablesample bernoulli (50)",
    "select region from shop.events where id = 1",
    "select id from shop.child",
    "select id from only shop.parent",
    "select status from shop.summary",
    "select a from shop.plain for update",
    "select count(*) from (select from shop.plain for share) s",
    "select p.a from shop.plain p, shop.parent q where q.id = p.a for no key update of p",
    "select last_value from shop.tickets",
    "select current_user, now(), version()",
    "select relname from pg_class where relkind = 'r' limit 1",
    "select table_name from information_schema.tables limit 1",
    "select rolname from pg_catalog.pg_roles limit 1",
    # views
    "select id, total from shop.open_orders",
    "select id from shop.with_call",
    "select note from shop.nested where id = 1",
    "select v.name, o.id from shop.names v join shop.orders o on o.customer = v.id",
    # types, functions, operators
    "select 'cross'::types.mood",
    "select name from shop.customers where mood = 'fine'",
    "select 'a@b'::types.mail",
    "select shop.tidy(' x ')",
    "select shop.total_of(1)",
    "select id from shop.fenced where id = 1",
    "insert into shop.fenced values (1, 'x')",
    "insert into shop.fenced values (1, 'x@y') returning owner",
    "select shop.greet(1)",
    "select shop.greet(1, 'given')",
    "select shop.greet(1, c => 'given')",
    "select id from shop.open_orders for update",
    "select shop.greet(1) from shop.names",
    "select id from shop.guarded where owner = current_user",
    (
        "insert into shop.names (id, name) values (1, 'x')"
        " on conflict (id) do update set name = excluded.name"
    ),
    "select * from shop.twice(3)",
    "select shop.product(total) from shop.orders",
    "select shop.product(total) over () from shop.orders",
    "select 1.0 operator(shop.===) 2.0",
    "select pg_read_file('PG_VERSION')",
    "select setting from pg_hba_file_rules() r, pg_settings limit 0",
    "select 'shop.tickets'::regclass",
    "select nextval('shop.tickets')",
    "select setval('shop.tickets', 5)",
    "select setval('shop.tickets', 5), nextval('shop.tickets')",
    "select nextval('shop.tickets'), currval('shop.tickets')",
    "select nextval('shop.tickets'), lastval()",
    # writing
    "insert into shop.plain values ('x', 7, 8)",
    "insert into shop.plain (a) values (9) returning b",
    "insert into shop.plain (a, b) select id, id from shop.parent where id > 100",
    "insert into shop.customers (name) values ('x')",
    "insert into shop.customers (id, name, code) values (77, 'x', 'c')",
    "insert into shop.customers (id, name, code) values (78, 'x', default)",
    "insert into shop.customers (id, name, code) values (78, 'x', 'y'), (79, 'x', default)",
    "insert into shop.customers (id, name, email, code) values (77, 'x', 'x@y', 'c')",
    "insert into shop.orders (customer) values (1) returning id",
    "insert into shop.with_sequence (what) values ('x')",
    "insert into shop.with_sequence default values",
    "insert into shop.events (id, region) values (3, 'eu')",
    "insert into shop.parent values (5, 'five')",
    "insert into shop.noted values (3, 'x')",
    "insert into shop.plain (a) values (1) on conflict do nothing",
    "insert into shop.plain (a) values (1) on conflict (a) do update set b = excluded.b",
    (
        "insert into shop.plain as p (a) values (1) on conflict on constraint plain_pkey"
        " do update set b = 3 where p.secret <> 'x' returning p.b"
    ),
    "update shop.plain set b = 5",
    "update shop.plain set b = a + 1 where a = 1 returning secret",
    "update shop.plain p set b = q.id from shop.parent q where q.id = p.a",
    "update shop.customers set code = default where id = 1",
    "update shop.orders set total = 7 where id = 1",
    "update shop.orders set status = 'x' where id = 1",
    "update shop.events set what = 'x' where region = 'eu'",
    "update shop.parent set what = 'x'",
    "update shop.customers set email = 'a@b' where id = 1",
    "delete from shop.plain",
    "delete from shop.plain where a = 1 returning *",
    "delete from shop.plain using shop.parent q where q.id = a",
    "with gone as (delete from shop.noted returning id) select count(*) from gone",
    (
        "with new as (insert into shop.parent values (9, 'n') returning id)"
        " update shop.plain set b = new.id from new where a = new.id"
    ),
    "update shop.open_orders set status = 'x' where id = 1",
    "insert into shop.open_orders (customer) values (1)",
    "insert into shop.names (name) values ('x') returning id",
    "delete from shop.open_orders where total > 1000",
    "insert into shop.instead values (1, 'x')",
    "explain select id from shop.orders",
    "explain (costs off) insert into shop.with_sequence (what) values ('x')",
    "explain analyze update shop.plain set b = 5",
    "explain (analyze false, verbose) select name from shop.names",
    # hostile names
    'select "col ""1""" from "a ""b"" schéma"."t; drop table x --"',
    'select "new\nline", "\u202ebidi" from "a ""b"" schéma"."t; drop table x --"',
    (
        'select "sixty-three bytes sixty-three bytes sixty-three bytes sixty-thr" as "a ) :b { c"'
        ' from "a ""b"" schéma"."t; drop table x --"'
    ),
    'update "a ""b"" schéma"."t; drop table x --" set "((((((((((((((((((((((((((((((" = null',
    'select "as :relid 1 }" from "a ""b"" schéma"."vïew" as "<> (b 8)"',
]
FROM_15 = [
    "select id from shop.invoker",
    "select name from shop.over_invoker",
    "select count(*) from shop.invoker",
    "select number from shop.invoker_orders for update",
    "update shop.invoker_orders set note = 'x' where number = 1",
    "insert into shop.invoker_orders (customer) values (2)",
    "delete from shop.invoker_orders where number = 1",
    (
        "merge into shop.plain p using shop.parent q on p.a = q.id"
        " when matched and p.b > 5 then update set b = q.id when matched then delete"
        " when not matched then insert (a) values (q.id)"
    ),
    "merge into shop.plain p using shop.parent q on p.a = q.id when not matched then do nothing",
    (
        "merge into shop.customers c using (values (1)) v (n) on c.id = v.n + 100"
        " when not matched then insert (name) values ('merged')"
    ),
]
FROM_18 = [
    (
        "merge into shop.open_orders o using (values (1)) v (n) on o.id = v.n"
        " when matched then update set status = 'm'"
    ),
    "update shop.plain set b = 6 where a = 1 returning old.b, new.b",
    (
        "merge into shop.plain p using shop.parent q on p.a = q.id"
        " when not matched by source then delete returning merge_action(), p.a"
    ),
    "select json_value('{\"a\": 1}', '$.a') from shop.plain",
]


@pytest.fixture(scope="module", params=sorted(postgresql_server.find_binaries()))
def server(request: pytest.FixtureRequest) -> Iterator[PostgresqlServer]:
    """Return a server of each version at hand, with the shop in a hardened database."""
    running = postgresql_server.start(request.param)
    try:
        with psycopg.connect(running.dsn(), autocommit=True) as connection:
            connection.execute((_SCHEMA / "shop.sql").read_text())
            if running.version >= 15:
                connection.execute((_SCHEMA / "shop_15.sql").read_text())
            connection.execute("create database hardened template postgres")
            connection.execute("revoke all on database hardened from public")
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(_ROLE)))
        yield running
    finally:
        running.stop()


@pytest.fixture
async def planner(server: PostgresqlServer) -> Iterator[PostgresqlPlanner]:
    """Return a planner that logs in as the administrator."""
    made = PostgresqlPlanner(lambda: Secret(server.dsn()))
    yield made
    await made.close()


def _command(statement: str) -> Command:
    return Command(argv=("psql", "-X", "-c", statement))


def _statements_for(server: PostgresqlServer) -> list[str]:
    newer = FROM_15 if server.version >= 15 else []
    newest = FROM_18 if server.version >= 18 else []
    return [*STATEMENTS, *newer, *newest]


def _run(connection: psycopg.Connection, grants: tuple[str, ...], statement: str) -> str | None:
    """Run ``statement`` as a fresh role with ``grants``, undo it, and return the SQLSTATE."""
    try:
        for grant in grants:
            connection.execute(grant.encode())
        connection.execute(
            sql.SQL("set local session authorization {}").format(sql.Identifier(_ROLE))
        )
        connection.execute(statement.encode())
    except psycopg.Error as error:
        return f"{error.sqlstate} {error}"
    else:
        return None
    finally:
        connection.rollback()


def _without_each(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the grants of a plan with one privilege missing, and which."""
    for missing in plan.scope:
        if missing.kind != "database" and missing not in plan.held_by_everyone:
            rest = Scope(plan.scope.privileges - {missing})
            yield repr(missing), grant_statements(rest, plan.held_by_everyone, _ROLE)


async def test_exactly_these_grants_let_it_run(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """With the printed grants each statement runs; with any one privilege less it does not."""
    wrong = []
    with psycopg.connect(server.dsn()) as connection:
        for statement in _statements_for(server):
            plan = await planner.plan(_command(statement))
            grants = grant_statements(plan.scope, plan.held_by_everyone, _ROLE)
            answer = _run(connection, grants, statement)
            if answer is not None:
                wrong.append(f"insufficient: {statement}\n  {answer}\n  {grants}")
            for missing, fewer in _without_each(plan):
                answer = _run(connection, fewer, statement)
                if answer is None or not answer.startswith(_DENIALS):
                    wrong.append(f"not needed: {missing}\n  in: {statement}\n  {answer}")
    assert not wrong, "\n".join(wrong)
