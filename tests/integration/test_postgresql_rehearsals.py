"""Statements tried before their approval, on a real server, by people who mean harm."""

import asyncio
import signal
import sys
import time

import pytest
from psycopg import sql
from tests.contracts.connector_cases import ADMIN, ADMIN_PASSWORD

from protem.domain.commands import Command
from protem.domain.errors import ProtemError, RefusedError, RetryLaterError
from protem.domain.evidence import MAX_DETAIL, EvidenceKind
from protem.domain.scopes import Privilege, Scope
from protem.domain.secret import Secret
from protem.planners.postgresql import PostgresqlPlanner
from protem.testing.connector_contract import an_order

pytestmark = pytest.mark.postgresql
DRY_RUN, EXPLAIN = EvidenceKind.DRY_RUN, EvidenceKind.EXPLAIN
FIRES = (
    "CREATE FUNCTION shop.fires() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
    " $$ BEGIN RETURN NEW; END $$"
)
ENDLESS = "SELECT g FROM generate_series(1, 1000000000000) g"
WHAT_IS_THERE = """
SELECT 'role', rolname::text FROM pg_roles
UNION ALL SELECT 'member', roleid::regrole || ' ' || member::regrole FROM pg_auth_members
UNION ALL SELECT 'rights', oid::regclass || ' ' || relacl::text FROM pg_class
    WHERE relnamespace = 'shop'::regnamespace
UNION ALL SELECT 'database', datacl::text FROM pg_database WHERE datname = current_database()
UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc
    WHERE pronamespace <> 'pg_catalog'::regnamespace
UNION ALL SELECT 'rows', md5(string_agg(o::text, ',' ORDER BY o::text)) FROM shop.orders o
UNION ALL SELECT 'large object', oid::text FROM pg_largeobject_metadata
UNION ALL SELECT 'lock', l.locktype || ' ' || l.mode FROM pg_locks l
    JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'protem'
ORDER BY 1, 2
"""


def table(name, action="SELECT", part=None, schema="shop"):
    """A privilege on a table of the shop."""
    return Privilege(kind="table", path=(schema, name), action=action, part=part)


def shop(*privileges):
    """A scope with the way in to the shop."""
    usage = Privilege(kind="schema", path=("shop",), action="USAGE")
    return Scope([usage, *privileges])


EVERYTHING = shop(*(table("orders", action) for action in ("SELECT", "INSERT", "UPDATE", "DELETE")))


@pytest.fixture
async def unchanged(case):
    """Fail unless the database afterwards is as it was: roles, rights, rows and locks."""
    before = await case.as_superuser(WHAT_IS_THERE)
    yield
    assert await case.as_superuser(WHAT_IS_THERE) == before


@pytest.fixture
async def planner(case):
    """The real planner, with a login of its own."""
    await case.as_superuser(
        "DROP ROLE IF EXISTS rehearsal_planner",
        "CREATE ROLE rehearsal_planner LOGIN PASSWORD 'x'",
        "GRANT USAGE ON SCHEMA shop TO rehearsal_planner",
    )
    dsn = case.server.dsn("rehearsal_planner", "x", case.database)
    planner = PostgresqlPlanner(lambda: Secret(dsn))
    yield planner
    await planner.close()
    await case.as_superuser("DROP OWNED BY rehearsal_planner", "DROP ROLE rehearsal_planner")


async def planned(planner, statement):
    """Plan one statement."""
    return await planner.plan(Command(argv=("psql", "-c", statement)))


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT id FROM shop.orders", 3),
        ("SELECT id FROM shop.orders WHERE false", 0),
        ("UPDATE shop.orders SET id = 7 WHERE id < 3", 2),
        ("UPDATE shop.orders SET id = 7 WHERE id < 3 RETURNING id", 2),
        ("DELETE FROM shop.orders", 3),
        ("INSERT INTO shop.orders (id) SELECT 9 FROM generate_series(1, 2000)", 2000),
        ("SELECT 1 -- a comment", 1),
        ("(SELECT 1 UNION ALL SELECT 2)", 2),
    ],
)
async def test_a_dry_run_counts_what_the_statement_would_touch(case, planner, statement, rows):
    """The planner lets it through, the count is that of the real run, and no row has changed."""
    await case.as_superuser("INSERT INTO shop.orders (id) VALUES (2), (3)")
    before = await case.as_superuser(WHAT_IS_THERE)
    plan = await planned(planner, statement)
    assert plan.rehearsal.not_run == ""
    counted = await case.connector.rehearse(plan.rehearsal.statement, plan.scope, DRY_RUN)
    assert counted.rows == rows
    explained = await case.connector.rehearse(plan.rehearsal.statement, plan.scope, EXPLAIN)
    assert '"Plan"' in explained.detail
    assert await case.as_superuser(WHAT_IS_THERE) == before


@pytest.mark.parametrize(
    "statement",
    [
        "COMMIT",
        "ROLLBACK",
        "ROLLBACK; SELECT 1",
        "RESET ROLE",
        "SET ROLE NONE",
        f"SET ROLE {ADMIN}",
        f"SET SESSION AUTHORIZATION {ADMIN}",
        "SELECT 1; SELECT 2",
        "UPDATE shop.orders SET id = 2; COMMIT",
        "SELECT set_config('role', 'none', false)",
        f"SELECT set_config('session_authorization', '{ADMIN}', false)",
        "COPY shop.orders TO PROGRAM 'id'",
        "COPY shop.orders TO STDOUT",
        "COPY shop.orders FROM STDIN",
        "DO $$ BEGIN COMMIT; END $$",
        "DO $$ BEGIN EXECUTE 'RESET ROLE'; END $$",
        "CREATE ROLE mine LOGIN",
        "DROP TABLE shop.orders",
        "VACUUM shop.orders",
        r"\! id",
        r"\copy shop.orders to 'x'",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT secret FROM shop.orders",
        "SELECT shop.steps_out()",
        "SELECT shop.commits()",
        "SELECT $1::int",
    ],
)
@pytest.mark.parametrize("kind", EvidenceKind)
async def test_nothing_steps_out_of_a_rehearsal(case, statement, kind):
    """Even past the planner, no text ends the transaction, changes the role, or does either."""
    await case.as_superuser(
        "CREATE FUNCTION shop.steps_out() RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        f" $$ BEGIN EXECUTE 'RESET ROLE'; PERFORM set_config('role', '{ADMIN}', false);"
        " RETURN 1; END $$",
        "CREATE FUNCTION shop.commits() RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN COMMIT; RETURN 1; END $$",
    )
    before = await case.as_superuser(WHAT_IS_THERE)
    scope = shop(*(table("orders", action, "id") for action in ("SELECT", "UPDATE")))
    if kind is EXPLAIN and "set_config" in statement:  # volatile: called when run, not to plan
        assert (await case.connector.rehearse(statement, scope, kind)).rows == 1
    else:
        with pytest.raises(ProtemError):
            await case.connector.rehearse(statement, scope, kind)
    assert await case.as_superuser(WHAT_IS_THERE) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT nextval('shop.orders_seq')", "sequence"),
        ("SELECT pg_terminate_backend(1)", "volatile"),
        ("SELECT pg_advisory_lock(1)", "volatile"),
        ("SELECT lo_export(1, '/tmp/x')", "files of the database's host"),
        ("SELECT pg_notify('a', 'b')", "volatile"),
        ("SELECT set_config('role', 'none', false)", "volatile"),
        ("SELECT query_to_xml('select 1', true, true, '')", "runs a text"),
        ("SELECT shop.quiet()", "cannot be seen"),
        ("SELECT shop.owners()", "rights of its owner"),
        ("WITH d AS (DELETE FROM shop.orders RETURNING 1) SELECT 1", "WITH"),
        ("(WITH d AS (DELETE FROM shop.orders RETURNING 1) SELECT 1)", "WITH"),
    ],
)
async def test_the_planner_lets_no_dry_run_of_what_no_rollback_undoes(
    case, planner, statement, said
):
    """Whatever reaches beyond the transaction, or cannot be read, is refused with the reason."""
    await case.as_superuser(
        "CREATE FUNCTION shop.quiet() RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN RETURN 1; END $$",
        "CREATE FUNCTION shop.owners() RETURNS int LANGUAGE sql STABLE SECURITY DEFINER AS"
        " 'SELECT 1'",
    )
    rehearsal = (await planned(planner, statement)).rehearsal
    assert said in rehearsal.not_run
    runs_while_planned = ("lo_export", "query_to_xml", "quiet", "owners")
    assert bool(rehearsal.not_explained) == any(name in statement for name in runs_while_planned)


@pytest.mark.parametrize(
    "command",
    [
        ("psql", "-c", "SELECT 1; SELECT 2"),
        ("psql", "-c", "SELECT 1", "-c", "SELECT 2"),
        ("psql", "-c", "BEGIN; SELECT 1; COMMIT"),
        ("psql", "-c", "EXPLAIN ANALYZE SELECT 1"),
    ],
)
async def test_only_one_statement_as_it_stands_is_rehearsed(planner, command):
    """Several statements, transaction control and EXPLAIN of the user's own are not tried."""
    assert (await planner.plan(Command(argv=command))).rehearsal is None


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        (
            [
                FIRES,
                "CREATE TRIGGER f BEFORE UPDATE ON shop.orders EXECUTE FUNCTION shop.fires()",
            ],
            "a trigger",
        ),
        (
            [
                "ALTER TABLE shop.orders ADD PRIMARY KEY (id)",
                "CREATE TABLE shop.lines (o int REFERENCES shop.orders ON UPDATE CASCADE)",
            ],
            "foreign key",
        ),
        (["CREATE RULE other AS ON UPDATE TO shop.orders DO ALSO SELECT 1"], "rewrite rule"),
        (["ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY"], "row-level security"),
    ],
)
async def test_tables_that_run_more_than_the_statement_are_refused(case, objects, said):
    """Triggers, rules, cascades and row policies are found in the very transaction."""
    await case.as_superuser(*objects)
    with pytest.raises(RefusedError, match=said):
        await case.connector.rehearse("UPDATE shop.orders SET id = 2", EVERYTHING, DRY_RUN)


async def test_a_trigger_of_a_partition_is_found(case):
    """Below the table that the statement names there may be others, with triggers of their own."""
    await case.as_superuser(
        "CREATE TABLE shop.parted (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE shop.part PARTITION OF shop.parted FOR VALUES FROM (0) TO (9)",
        FIRES,
        "CREATE TRIGGER fires BEFORE INSERT ON shop.part FOR EACH ROW"
        " EXECUTE FUNCTION shop.fires()",
        f"GRANT INSERT ON shop.parted TO {ADMIN} WITH GRANT OPTION",
    )
    with pytest.raises(RefusedError, match="a trigger"):
        await case.connector.rehearse(
            "INSERT INTO shop.parted VALUES (1)", shop(table("parted", "INSERT")), DRY_RUN
        )


async def test_the_fence_holds_against_code_that_catches_the_refusal(case):
    """Whoever tries to step out and goes on all the same is still the role of the rehearsal."""
    await case.as_superuser(
        "CREATE FUNCTION shop.persists() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
        " BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;"
        " RETURN 1 / (current_user ~ '^protem_scope_')::int; END $$"
    )
    assert (await case.connector.rehearse("SELECT shop.persists()", shop(), DRY_RUN)).rows == 1


@pytest.mark.usefixtures("unchanged")
async def test_endless_output_ends_by_itself(case):
    """Rows without end are counted without being kept, and only for seconds."""
    began = time.monotonic()
    with pytest.raises(RetryLaterError, match="longer"):
        await case.connector.rehearse(ENDLESS, Scope(), DRY_RUN)
    assert time.monotonic() - began < 30  # bounded, on a slow machine too


@pytest.mark.usefixtures("unchanged")
async def test_a_held_row_is_not_waited_for(case):
    """Somebody else's lock makes the rehearsal give up; their work goes on."""
    other = await case.superuser()
    async with other, other.transaction(force_rollback=True):
        await other.execute("SELECT id FROM shop.orders FOR UPDATE")
        with pytest.raises(RetryLaterError, match="lock"):
            await case.connector.rehearse("UPDATE shop.orders SET id = 2", EVERYTHING, DRY_RUN)


async def test_no_value_of_a_row_is_in_what_is_said(case):
    """The server's own message would quote the value; ours names the kind of error alone."""
    await case.as_superuser("UPDATE shop.orders SET secret = 'top-secret'")
    with pytest.raises(RefusedError) as caught:
        await case.connector.rehearse(
            "SELECT secret::int FROM shop.orders", shop(table("orders", part="secret")), DRY_RUN
        )
    assert "top-secret" not in str(caught.value)
    assert "22P02" in str(caught.value)


async def test_a_long_plan_is_cut_loudly(case):
    """What is over the bound ends with words that say so."""
    wide = " UNION ALL ".join("SELECT id FROM shop.orders" for _ in range(200))
    shown = await case.connector.rehearse(wide, EVERYTHING, EXPLAIN)
    assert len(shown.detail) == MAX_DETAIL
    assert "cut here" in shown.detail


async def _is_running(case):
    query = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%protem_rehearsal%'"
        " AND state = 'active' AND pid <> pg_backend_pid()"
    )
    for _ in range(500):
        found = await case.as_superuser(query)
        if found:
            return found[0][0]
        await asyncio.sleep(0.01)
    return None


async def _is_over(case):
    for _ in range(1_000):
        left = await case.as_superuser(
            sql.SQL("SELECT FROM pg_stat_activity WHERE usename = {} AND state <> 'idle'").format(
                sql.Literal(ADMIN)
            )
        )
        if not left:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the rehearsal goes on")


@pytest.mark.usefixtures("unchanged")
async def test_a_cut_connection_leaves_nothing(case):
    """When the session is ended in the middle, so is everything that it made."""
    running = asyncio.create_task(case.connector.rehearse(ENDLESS, Scope(), DRY_RUN))
    pid = await _is_running(case)
    assert pid is not None
    await case.as_superuser(sql.SQL("SELECT pg_terminate_backend({})").format(pid))
    with pytest.raises(RetryLaterError):
        await running
    await _is_over(case)


@pytest.mark.usefixtures("unchanged")
async def test_a_cancelled_rehearsal_leaves_nothing(case):
    """Whoever waits may give up; the transaction is undone all the same."""
    running = asyncio.create_task(case.connector.rehearse(ENDLESS, Scope(), DRY_RUN))
    assert await _is_running(case) is not None
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await _is_over(case)


@pytest.mark.usefixtures("unchanged")
async def test_a_killed_process_leaves_nothing(case):
    """With kill -9 in the middle, no role, right, row or lock is left once its seconds are over."""
    script = (
        "import asyncio, sys\n"
        "from protem.connectors.postgresql import PostgresqlConnector\n"
        "from protem.domain.evidence import EvidenceKind\n"
        "from protem.domain.scopes import Scope\n"
        "from protem.domain.secret import Secret\n"
        "connector = PostgresqlConnector(Secret(sys.argv[1]))\n"
        "asyncio.run(connector.rehearse(sys.argv[2], Scope(), EvidenceKind.DRY_RUN))\n"
    )
    dsn = case.server.dsn(ADMIN, ADMIN_PASSWORD, case.database)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, dsn, ENDLESS)
    try:
        assert await _is_running(case) is not None
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await _is_over(case)


async def test_grants_are_made_while_a_rehearsal_runs(case):
    """A provisioning that needs the same lock waits for seconds at most, and then is made."""
    running = asyncio.create_task(case.connector.rehearse(ENDLESS, case.scope, DRY_RUN))
    assert await _is_running(case) is not None
    order = await an_order(case)
    receipt = await case.connector.provision(order, case.public_half())
    assert receipt.name_at_target == order.order.grant_id.name_at_target
    with pytest.raises(RetryLaterError):
        await running


async def test_without_the_right_to_a_function_it_is_refused(case):
    """Where TEMPORARY was taken from PUBLIC and from the administrator, no evidence can be had."""
    await case.as_superuser(
        sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC, {}").format(
            sql.Identifier(case.database), sql.Identifier(ADMIN)
        )
    )
    with pytest.raises(RefusedError, match=r"postgresql\.md"):
        await case.connector.rehearse("SELECT 1", Scope(), DRY_RUN)
