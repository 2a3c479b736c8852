"""``plan`` and ``sweep`` against a database, with no server and no sign-in."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import time

import psycopg
import pytest
from tests.acceptance.cli.command_line_driver import CommandLine

from protem.testing.postgresql_server import PASSWORD

pytestmark = pytest.mark.postgresql
SELECT = ("--", "psql", "-c", "select id, status from shop.orders where id = 1")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WithPassword(CommandLine):
    """Has the administrator's password in the environment, as libpq reads it."""

    @property
    def environment(self):
        """PGPASSWORD, as for psql."""
        return {**CommandLine.environment.fget(self), "PGPASSWORD": PASSWORD}


@pytest.fixture
def alone(tmp_path):
    """No server is known."""
    return WithPassword(home=tmp_path)


@pytest.fixture
def uri(postgresql):
    """Name the administrator without a password."""
    return f"postgresql://postgres@127.0.0.1:{postgresql.port}/postgres"


def test_a_plan_names_exact_columns(alone, uri):
    """The page has the columns that the statement uses, and no other."""
    done = alone.run("plan", "--on", uri, *SELECT)
    assert done.code == 0, done.err
    assert "SELECT on table shop.orders (id, status)" in done.out


def test_a_plan_is_json_for_programs(alone, uri):
    """The document has the scope in its canonical form and never the password."""
    done = alone.run("plan", "--on", uri, "-o", "json", *SELECT)
    rows = {(row["kind"], row["action"]): row for row in done.json["plan"]["scope"]}
    assert rows["table", "SELECT"]["parts"] == ["id", "status"]
    assert PASSWORD not in done.out


def test_grant_statements_make_the_statement_run(alone, uri, postgresql):
    """What ``-o sql`` prints is sufficient, for a role with a hostile name."""
    role = 'an"n; --'
    done = alone.run("plan", "--on", uri, "-o", "sql", "--to", role, *SELECT)
    assert done.code == 0, done.err
    with psycopg.connect(postgresql.dsn()) as connection:
        quoted = '"' + role.replace('"', '""') + '"'
        connection.execute(f"CREATE ROLE {quoted}")
        connection.execute(done.out)
        connection.execute(f"SET ROLE {quoted}")
        row = connection.execute("select id, status from shop.orders where id = 1").fetchone()
        assert row == (1, "paid")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select note from shop.orders")
        connection.rollback()


def test_a_statement_from_standard_input_and_from_a_file(alone, uri):
    """Both are planned like ``-c``."""
    (alone.home / "q.sql").write_text("select note from shop.orders", encoding="utf-8")
    from_file = alone.run("plan", "--on", uri, "--", "psql", "-f", "q.sql")
    from_pipe = alone.run("plan", "--on", uri, "--", "psql", stdin="select note from shop.orders")
    assert "shop.orders (note)" in from_file.out
    assert "shop.orders (note)" in from_pipe.out


@pytest.mark.parametrize(
    "statement", ["selekt 1", "select * from no_such_table", "vacuum", "\\! id", "select '\x1b[2J"]
)
def test_what_cannot_be_planned_is_one_error(alone, uri, statement):
    """Exit 1, one sentence, nothing that acts on a terminal."""
    done = alone.run("plan", "--on", uri, "--", "psql", "-c", statement)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "\x1b" not in done.err
    assert "Traceback" not in done.err


def test_a_database_that_is_not_there_is_an_error(alone):
    """No server behind the URI: exit 1 and a sentence."""
    done = alone.run("plan", "--on", "postgresql://a@127.0.0.1:9/x", *SELECT)
    assert done.code == 1
    assert done.err.startswith("error: ")


def test_a_password_on_the_command_line_is_warned_about_and_not_repeated(alone, postgresql):
    """It works as in psql, and is in no output."""
    done = alone.run("plan", "--on", postgresql.dsn(), *SELECT)
    assert done.code == 0
    assert "visible to others" in done.err
    assert PASSWORD not in done.out + done.err


def test_the_password_is_asked_for_at_a_terminal(tmp_path, uri):
    """As psql does, when nothing else gives it."""

    class Bare(CommandLine):
        @property
        def environment(self):
            found = dict(CommandLine.environment.fget(self))
            del found["PGPASSWORD"]
            return found

    terminal = Bare(home=tmp_path).at_terminal("plan", "--on", uri, *SELECT)
    terminal.expect("Password for postgresql://postgres@")
    terminal.type(PASSWORD + "\n")
    terminal.expect("shop.orders (id, status)")
    assert terminal.wait() == 0
    assert PASSWORD not in terminal.seen


def test_a_sweep_of_a_clean_target_says_so(alone, uri):
    """Exit 0, nothing found; the JSON has the documented keys."""
    assert "nothing of Protem's is there" in alone.run("sweep", "--target", uri).out
    done = alone.run("sweep", "--target", uri, "-o", "json")
    assert set(done.json) == {"version", "dry_run", "at", "ended", "kept", "failed", "strays"}


def test_a_sweep_ends_what_is_past_its_deadline(alone, uri, postgresql):
    """With a dry run it only says so; then the role is gone."""
    name = "protem_01arz3ndektsv4rrffq69g5fav"
    with psycopg.connect(postgresql.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN VALID UNTIL '2020-01-01Z'")
        dry = alone.run("sweep", "--target", uri, "--dry-run")
        assert f"past its deadline: {name}" in dry.out
        count = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
        assert connection.execute(count, (name,)).fetchone() == (1,)
        wet = alone.run("sweep", "--target", uri)
        assert (wet.code, wet.out) == (0, f"ended: {name}\n")
        assert connection.execute(count, (name,)).fetchone() == (0,)


def test_a_periodic_sweep_goes_on_until_it_is_stopped(alone, uri):
    """``--every`` sweeps again and again, and ends by a signal."""
    process = alone.start(
        "sweep", "--target", uri, "--every", "1s", "-o", "json", stdout=subprocess.PIPE
    )
    begun = time.monotonic()
    seen = b""
    while seen.count(b'"strays"') < 2 and process.poll() is None:
        seen += process.stdout.readline()
    assert time.monotonic() - begun < 20
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert json.loads(seen.decode().split("\n}\n")[0] + "}")["version"] == 1
