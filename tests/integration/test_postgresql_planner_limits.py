"""The planner against a real server: its own role, hardened databases, findings, bad input."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from protem.domain.commands import Command
from protem.domain.errors import (
    InvalidError,
    RefusedError,
    RetryLaterError,
    UnplannableError,
)
from protem.domain.plans import Trait
from protem.domain.scopes import Privilege
from protem.domain.secret import Secret
from protem.planners.postgresql import PostgresqlPlanner
from protem.planners.postgresql.grants import grant_statements
from protem.testing import postgresql_server
from protem.testing.postgresql_server import PostgresqlServer

pytestmark = pytest.mark.postgresql

_ROOT = Path(__file__).parent.parent.parent
_SCHEMA = _ROOT / "tests/conformance/postgresql_node_trees"
_SETUP = _ROOT / "src/protem/planners/postgresql/set_up.sql"
_PLANNER = "planner of plans"
_PASSWORD = "only-for-this-planner"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Return a server with the shop in a database where PUBLIC holds nothing."""
    running = postgresql_server.start()
    try:
        with psycopg.connect(running.dsn(), autocommit=True) as connection:
            connection.execute("create database shop")
            connection.execute("revoke all on database shop from public")
            connection.execute("create role debugger login password 'debug'")
        with psycopg.connect(running.dsn(dbname="shop"), autocommit=True) as connection:
            connection.execute((_SCHEMA / "shop.sql").read_text())
            connection.execute((_SCHEMA / "shop_15.sql").read_text())
            connection.execute("revoke all on schema public from public")
            connection.execute("create extension if not exists plpgsql")
        _set_up(running)
        yield running
    finally:
        running.stop()


def _set_up(server: PostgresqlServer) -> None:
    """Run the shipped set-up, twice, because it must be repeatable."""
    arguments = [str(server.binaries / "psql"), "-X", "-q", "-d", server.dsn(dbname="shop")]
    arguments += ["-v", f"planner={_PLANNER}", "-v", f"password={_PASSWORD}", "-f", str(_SETUP)]
    for _ in range(2):
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert done.stderr == ""


@pytest.fixture
async def planner(server: PostgresqlServer) -> AsyncIterator[PostgresqlPlanner]:
    """Return a planner that logs in as the planner's role."""
    made = PostgresqlPlanner(lambda: Secret(_conninfo(server)))
    yield made
    await made.close()


def _conninfo(server: PostgresqlServer) -> str:
    return psycopg.conninfo.make_conninfo(
        server.dsn(dbname="shop"), user=_PLANNER, password=_PASSWORD
    )


def _psql(*statements: str) -> Command:
    return Command(argv=("psql", *(word for s in statements for word in ("-c", s))))


async def test_the_planners_role_reads_no_table(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """The role that plans may read no table, and plans as an administrator would."""
    statement = "select * from shop.customers c join shop.invoker i using (id) for update of c"
    with psycopg.connect(_conninfo(server)) as connection:
        for table in ("shop.customers", "shop.invoker", "shop.plain"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select 1 from {table}")
            connection.rollback()
    administrator = PostgresqlPlanner(lambda: Secret(server.dsn(dbname="shop")))
    theirs = await administrator.plan(_psql(statement))
    await administrator.close()
    assert (await planner.plan(_psql(statement))).scope == theirs.scope


async def test_the_statement_stays_out_of_the_servers_log(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """With the shipped set-up nothing of an analysed statement is logged; without, it is said."""
    plan = await planner.plan(_psql("select 'needle-in-the-log' from shop.plain"))
    assert "statement_in_server_log" not in {finding.code for finding in plan.findings}
    with pytest.raises(InvalidError):
        await planner.plan(_psql("selec 'needle-in-the-log'"))
    assert "needle-in-the-log" not in (server.folder / "log").read_text(errors="replace")
    administrator = PostgresqlPlanner(lambda: Secret(server.dsn(dbname="shop")))
    plan = await administrator.plan(_psql("select 1"))
    await administrator.close()
    assert "statement_in_server_log" in {finding.code for finding in plan.findings}


async def test_nothing_is_executed_or_left(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """Planning a write changes nothing and leaves no statement, transaction or lock."""
    await planner.plan(_psql("delete from shop.plain", "select nextval('shop.tickets')"))
    with psycopg.connect(server.dsn(dbname="shop")) as connection:
        rows = connection.execute(
            "select count(*), (select is_called from shop.tickets) from shop.plain"
        ).fetchone()
        assert rows == (1, False)
        left = connection.execute(
            "select state, (select count(*) from pg_locks l where l.pid = a.pid)"
            " from pg_stat_activity a where application_name = 'protem planner'"
        ).fetchall()
    assert left == [("idle", 0)]


async def test_connect_is_granted_where_public_lacks_it(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """In a hardened database the grants include CONNECT, and a real login needs it."""
    plan = await planner.plan(_psql("select a from shop.plain"))
    assert not plan.held_by_everyone
    grants = grant_statements(plan.scope, plan.held_by_everyone, "debugger")
    login = psycopg.conninfo.make_conninfo(
        server.dsn(dbname="shop"), user="debugger", password="debug"
    )
    with psycopg.connect(server.dsn(dbname="shop"), autocommit=True) as administrator:
        for grant in grants:
            if "CONNECT" not in grant:
                administrator.execute(grant.encode())
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(login)
        administrator.execute(next(g for g in grants if "CONNECT" in g).encode())
        with psycopg.connect(login) as connection:
            assert connection.execute("select a from shop.plain").fetchall() == [(1,)]


async def test_several_statements_add_up(planner: PostgresqlPlanner) -> None:
    """Statements of options, files and standard input make one scope; transactions need none."""
    command = Command(
        argv=("psql", "-Atq", "-c", "begin; select a from shop.plain", "-f", "x.sql", "-f", "-"),
        inputs={"x.sql": "update shop.plain set b = 1;\n-- done\n;", "-": "rollback"},
    )
    plan = await planner.plan(command)
    assert plan.statements == (
        "begin",
        "select a from shop.plain",
        "update shop.plain set b = 1",
        "rollback",
    )
    actions = {(p.action, p.part) for p in plan.scope if p.kind == "table"}
    assert actions == {("SELECT", "a"), ("UPDATE", "b")}


async def test_any_column_is_the_least_telling_one(server: PostgresqlServer) -> None:
    """``count(*)`` takes the key, or another column where the key is sensitive."""
    for sensitive, column in ((), "a"), (((("shop", "plain"), "a"),), "secret"):
        planner = PostgresqlPlanner(lambda: Secret(_conninfo(server)), sensitive_columns=sensitive)
        plan = await planner.plan(_psql("select count(*) from shop.plain"))
        await planner.close()
        chosen = Privilege(kind="table", path=("shop", "plain"), action="SELECT", part=column)
        assert plan.scope.covers(chosen)


@pytest.mark.parametrize(
    ("statement", "traits", "codes"),
    [
        ("select a from shop.plain where a = 1", set(), set()),
        ("select a from shop.plain", {Trait.WHOLE_TABLE}, {"whole_table"}),
        ("select a from shop.plain limit 1", set(), set()),
        ("select * from pg_stat_activity", set(), set()),
        ("select p.a from shop.plain p join shop.parent q on true", set(), set()),
        ("select p.a from shop.plain p, shop.parent q", {Trait.WHOLE_TABLE}, {"whole_table"}),
        ("delete from shop.plain where a = 1", {Trait.WRITES}, {"writes"}),
        (
            "delete from shop.plain",
            {Trait.WRITES, Trait.WHOLE_TABLE},
            {"writes", "whole_table"},
        ),
        ("select a from shop.plain where a = 1 for share", {Trait.LOCKS_ROWS}, {"locks_rows"}),
        ("select random()", {Trait.VOLATILE_FUNCTION}, {"volatile_function"}),
        ("select nextval('shop.tickets')", set(), set()),
        ("select nextval('shop.' || 'tickets')", {Trait.UNSEEN_CODE}, {"unseen_sequence"}),
        ("select pg_ls_dir('.')", {Trait.VOLATILE_FUNCTION, Trait.READS_SERVER_FILES}, None),
        (
            "select query_to_xml('select 1', true, true, '')",
            None,
            {"runs_text", "volatile_function"},
        ),
        ("select shop.tidy('x')", None, {"unseen_function", "volatile_function"}),
        ("select shop.total_of(1)", None, {"security_definer", "volatile_function"}),
        (
            "insert into shop.noted values (1, 'x')",
            {Trait.WRITES, Trait.UNSEEN_CODE},
            {"writes", "trigger"},
        ),
        ("select id from shop.guarded where id = 1", {Trait.UNSEEN_CODE}, {"row_policy"}),
        ("select pg_terminate_backend(1)", None, {"needs_role", "volatile_function"}),
    ],
)
async def test_findings(
    planner: PostgresqlPlanner, statement: str, traits: set[Trait] | None, codes: set[str] | None
) -> None:
    """Each trait has its finding, and a plain read by key has none."""
    plan = await planner.plan(_psql(statement))
    assert traits is None or plan.traits == traits
    assert codes is None or {finding.code for finding in plan.findings} == codes


@pytest.mark.parametrize(
    "statement",
    [
        "vacuum",
        "set search_path to shop",
        "copy shop.plain to program 'cat'",
        "copy shop.plain from stdin",
        "copy (select 1) to stdout",
        "do $$ begin perform 1; end $$",
        "truncate shop.plain",
        "create table x as select 1",
        "select 1 into shop.copied from shop.plain",
        "explain vacuum",
        "explain explain select 1",
        "explain create table x as select 1",
        "declare c cursor for select 1",
        "prepare p as select 1",
        "execute p",
        "lock table shop.plain",
        "grant select on shop.plain to public",
        "listen x",
        "show all",
        "savepoint s",
        "commit prepared 'x'",
        "reset all",
        "discard all",
        "begin; vacuum",
        "load 'x'",
        "alter system set work_mem = 1",
    ],
)
async def test_utility_statements_name_a_profile(
    planner: PostgresqlPlanner, statement: str
) -> None:
    """What PostgreSQL derives no privileges from is refused, with what would allow it."""
    with pytest.raises(UnplannableError) as caught:
        await planner.plan(_psql(statement))
    assert "protem psql" in str(caught.value.next_step)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("selec 1", "syntax error"),
        ("select 1\n  frm shop.plain x y", "line 2"),
        ("select * from nowhere", "does not exist"),
        ("select nothing from shop.plain", "does not exist"),
        ("select $1::int", "parameter"),
        ("explain", "syntax error|no statement"),
        ("select 'open", "does not end"),
        ("select (1; select 2", "syntax error"),
        ("select " + "(" * 100_000, "syntax error|exceeded|memory|stack"),
        ("insert into shop.invoker values (1)", "cannot insert"),
    ],
)
async def test_rejected_statements(
    planner: PostgresqlPlanner, statement: str, message: str
) -> None:
    """What the server rejects is invalid and carries the server's words."""
    with pytest.raises(InvalidError, match=message):
        await planner.plan(_psql(statement))
    assert await planner.plan(_psql("select 1"))


async def test_a_huge_statement(planner: PostgresqlPlanner) -> None:
    """A constant of 100,000 characters and 2,000 columns of output are analysed."""
    text = "x" * 100_000
    plan = await planner.plan(_psql(f"select a from shop.plain where secret = '{text}'"))
    assert {p.part for p in plan.scope if p.kind == "table"} == {"a", "secret"}
    many = ", ".join("a + 1" for _ in range(1600))
    assert await planner.plan(_psql(f"select {many} from shop.plain"))


async def test_a_schema_that_the_planner_may_not_use(server: PostgresqlServer) -> None:
    """Where the planner's role lacks USAGE it says which grant it misses."""
    with psycopg.connect(server.dsn(dbname="shop"), autocommit=True) as connection:
        connection.execute("create schema hidden create table secret (id int)")
    planner = PostgresqlPlanner(lambda: Secret(_conninfo(server)))
    with pytest.raises(RefusedError, match="hidden"):
        await planner.plan(_psql("select id from hidden.secret"))
    await planner.close()


async def test_an_unreachable_server_means_later() -> None:
    """A refused connection is worth another try, and the message holds no password."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        planner = PostgresqlPlanner(
            lambda: Secret(f"postgresql://me:s3cret-word@127.0.0.1:{port}/db")
        )
        with pytest.raises(RetryLaterError) as caught:
            await planner.plan(_psql("select 1"))
        await planner.close()
    assert "s3cret-word" not in str(caught.value)


async def test_a_bad_connection_string_is_not_repeated() -> None:
    """A connection string that cannot be read is not shown in the error."""
    planner = PostgresqlPlanner(lambda: Secret("s3cret-word without sense"))
    with pytest.raises(InvalidError) as caught:
        await planner.plan(_psql("select 1"))
    assert "s3cret-word" not in str(caught.value)


async def test_a_cut_connection_is_replaced(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """When the server cut an idle connection, the next plan opens another and succeeds."""
    before = await planner.plan(_psql("select a from shop.plain"))
    with psycopg.connect(server.dsn()) as administrator:
        administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'protem planner'"
        )
    await asyncio.sleep(0.1)
    assert await planner.plan(_psql("select a from shop.plain")) == before


async def test_a_locked_table_means_later(
    server: PostgresqlServer, planner: PostgresqlPlanner
) -> None:
    """A table that someone holds exclusively is waited for, but not long."""
    with psycopg.connect(server.dsn(dbname="shop")) as blocker:
        blocker.execute("lock table shop.plain in access exclusive mode")
        with pytest.raises(RetryLaterError, match="lock"):
            await planner.plan(_psql("select a from shop.plain"))


async def test_a_silent_database_means_later(
    server: PostgresqlServer, planner: PostgresqlPlanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no answer comes at all, the planner's own limit ends the wait."""
    monkeypatch.setattr("protem.planners.postgresql.planner._LONGEST_SECONDS", 0.3)
    with psycopg.connect(server.dsn(dbname="shop")) as blocker:
        blocker.execute("lock table shop.plain in access exclusive mode")
        with pytest.raises(RetryLaterError, match="in time"):
            await planner.plan(_psql("select a from shop.plain"))
    monkeypatch.undo()
    assert await planner.plan(_psql("select a from shop.plain"))


async def test_a_cancelled_plan_gives_its_place_back(server: PostgresqlServer) -> None:
    """Cancelling a plan that waits leaves the pool usable."""
    planner = PostgresqlPlanner(lambda: Secret(_conninfo(server)), pool_size=1)
    with psycopg.connect(server.dsn(dbname="shop")) as blocker:
        blocker.execute("lock table shop.plain in access exclusive mode")
        waiting = asyncio.create_task(planner.plan(_psql("select a from shop.plain")))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await planner.plan(_psql("select a from shop.plain"))
    await planner.close()
