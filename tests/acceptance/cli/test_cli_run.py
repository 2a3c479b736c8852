"""``protem run`` through the real program, the real psql and a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from tests.acceptance.cli.command_line_driver import CommandLine
from tests.acceptance.cli.loopback_control_plane import SESSION_TOKEN

pytestmark = pytest.mark.postgresql
ON = ("run", "--on", "orders-db")


def _roles(server):
    with psycopg.connect(server.dsn()) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^protem_'")
        return [row[0] for row in rows]


def _wait_for(condition, seconds=15):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def _running(server, text):
    with psycopg.connect(server.dsn()) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE usename ~ '^protem_' AND query LIKE %s"
        return connection.execute(query, (f"%{text}%",)).fetchall()


def _children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def test_psql_runs_and_the_grant_is_given_back(live_cli, live_plane, postgresql):
    """Rows on standard output alone, talk on standard error, and nothing left at the target."""
    done = live_cli.run(*ON, "--", "psql", "-At", "-c", "select id, status from shop.orders")
    assert (done.code, done.out) == (0, "1|paid\n2|open\n")
    assert "given back" in done.err
    assert live_plane.only_grant()["end_cause"] == "given_back"
    assert _roles(postgresql) == []


def test_what_was_not_granted_is_refused_by_postgresql_itself(live_cli):
    """The wrapped command's own code passes through."""
    done = live_cli.run(*ON, "--", "psql", "-c", "select note from shop.orders")
    assert done.code == 1
    assert "permission denied" in done.err
    assert "given back" in done.err


def test_standard_input_is_recorded_and_is_what_runs(live_cli, live_plane):
    """Approvers see the piped statement, and psql gets just that."""
    done = live_cli.run(*ON, "--", "psql", "-At", stdin="select count(*) from shop.orders;\n")
    assert (done.code, done.out) == (0, "2\n")
    command = live_plane.only_grant()["request"]["command"]
    assert command["inputs"] == {"-": "select count(*) from shop.orders;\n"}


def test_a_file_that_changes_after_asking_is_not_what_runs(live_cli, live_plane):
    """The recorded content runs, not what the file holds by then."""
    file = live_cli.home / "q.sql"
    file.write_text("select 'approved';", encoding="utf-8")
    arguments = (*ON, "--ticket", "NEED-1", "--wait", "30s", "--", "psql", "-At", "-f", "q.sql")
    process = live_cli.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    grant = live_plane.only_grant()
    file.write_text("select 'swapped';", encoding="utf-8")
    live_plane.move(grant, "approved")
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"approved\n")


def test_the_users_start_up_file_does_not_run(live_cli):
    """Only what was approved runs."""
    (live_cli.home / ".psqlrc").write_text("\\echo started\n", encoding="utf-8")
    assert live_cli.run(*ON, "--", "psql", "-At", "-c", "select 1").out == "1\n"


def test_no_secret_in_arguments_or_environment(live_cli, live_plane, postgresql):
    """Neither the password nor the session token can be read from /proc of any process."""
    process = live_cli.start(*ON, "--", "psql", "-c", "select pg_sleep(30)")
    _wait_for(lambda: _running(postgresql, "pg_sleep"))
    folder = next((live_cli.home / "runtime").glob("protem-*"))
    secret = (folder / "pgpass").read_text(encoding="ascii").strip().rsplit(":", 1)[1]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {0o600}
    children = _children(process.pid)
    assert children
    for pid in children:
        shown = (
            Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        )
        assert b"PGPASSFILE" in shown
        assert secret.encode() not in shown
        assert b"not-this-one" not in shown
        assert SESSION_TOKEN.encode() not in shown
    own = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert secret.encode() not in own + Path(f"/proc/{process.pid}/environ").read_bytes()
    sent = repr(live_plane.calls)
    assert secret not in sent
    assert "SCRAM-SHA-256$1:" in sent
    process.send_signal(signal.SIGTERM)
    process.wait(15)
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_psql_and_gives_the_grant_back(live_cli, live_plane, postgresql, number):
    """Terminated from outside, nothing stays: not psql, not the grant, not a file."""
    process = live_cli.start(*ON, "--", "psql", "-c", "select pg_sleep(30)", stderr=subprocess.PIPE)
    _wait_for(lambda: _running(postgresql, "pg_sleep"))
    process.send_signal(number)
    process.communicate(timeout=15)
    assert process.returncode == 128 + number
    assert live_plane.only_grant()["end_cause"] == "given_back"
    assert _roles(postgresql) == []
    assert list((live_cli.home / "runtime").iterdir()) == []


def test_kill_9_leaves_nothing_that_others_can_read_and_the_next_run_cleans_up(
    live_cli, postgresql
):
    """What a killed run leaves is private, and gone after the next run."""
    process = live_cli.start(*ON, "--", "psql", "-c", "select pg_sleep(3)", stderr=subprocess.PIPE)
    _wait_for(lambda: _running(postgresql, "pg_sleep"))
    process.kill()
    process.communicate(timeout=15)
    left = list((live_cli.home / "runtime").rglob("*"))
    assert left
    assert not [path for path in left if stat.S_IMODE(path.stat().st_mode) & 0o077]
    live_cli.run(*ON, "--", "psql", "-c", "select 1")
    assert list((live_cli.home / "runtime").iterdir()) == []


def test_a_revoked_session_says_why_it_was_cut(live_cli, live_plane, postgresql):
    """The code of psql passes through, and the reason is on standard error."""
    process = live_cli.start(*ON, "--", "psql", "-c", "select pg_sleep(30)", stderr=subprocess.PIPE)
    _wait_for(lambda: _running(postgresql, "pg_sleep"))
    live_plane.end(live_plane.only_grant(), "revoked")
    _, err = process.communicate(timeout=15)
    assert process.returncode in (1, 2)
    assert b"the grant was revoked; the session was cut" in err


def test_ctrl_c_reaches_psql_and_not_the_grant(live_cli, postgresql):
    """Ctrl-C cancels the query as in plain psql; then the grant is given back as always."""
    terminal = live_cli.at_terminal(*ON, "--", "psql", "-c", "select pg_sleep(30)")
    _wait_for(lambda: _running(postgresql, "pg_sleep"))
    terminal.type("\x03")
    terminal.expect("canceling statement due to user request")
    terminal.expect("given back")
    assert terminal.wait() == 1
    assert _roles(postgresql) == []


def test_an_open_session_under_a_profile(live_cli):
    """``protem psql`` is psql itself, on a terminal, under the only profile there is."""
    terminal = live_cli.at_terminal("psql", "orders-db")
    terminal.expect("postgres=>")
    terminal.type("select count(*) from shop.orders;\n")
    terminal.expect("(1 row)")
    terminal.type("\\q\n")
    terminal.expect("given back")
    assert terminal.wait() == 0


def test_the_end_is_announced_on_a_terminal(live_cli, live_plane):
    """A session that is about to end says so, once, and how to get more time."""
    live_plane.seconds = 50
    terminal = live_cli.at_terminal("psql", "orders-db", "--for", "10m")
    terminal.expect("protem extend")
    terminal.expect("postgres=>")
    terminal.type("\\q\n")
    assert terminal.wait() == 0
    assert terminal.seen.count("protem extend") == 1


def test_kept_grants_are_used_again_and_end_by_command(live_cli, live_plane, postgresql):
    """``--keep`` leaves the grant; ``--resume`` uses it; then it is given back."""
    first = live_cli.run(*ON, "--keep", "--", "psql", "-At", "-c", "select 1")
    grant_id = live_plane.only_grant()["id"]
    assert (first.code, len(_roles(postgresql))) == (0, 1)
    again = live_cli.run("run", "--resume", grant_id)
    assert (again.code, again.out) == (0, "1\n")
    assert _roles(postgresql) == []
    assert list((live_cli.home / "state" / "protem" / "requests").iterdir()) == []


def test_without_psql_the_statements_run_all_the_same(live_cli, live_plane):
    """A machine without psql gets rows too, with hostile values escaped."""
    bare = CommandLine(
        home=live_cli.home,
        server=live_plane.url,
        token=SESSION_TOKEN,
        path=str(Path(sys.executable).parent),
    )
    statement = "select id, E'\\x1b[31m' as red from shop.orders; select 7 as seven"
    done = bare.run(*ON, "--", "psql", "-c", statement)
    assert done.code == 0
    assert "\\x1b[31m" in done.out
    assert "\x1b" not in done.out
    assert "(2 rows)" in done.out
    assert "seven" in done.out
    refused = bare.run(*ON, "--", "psql", "-c", "select note from shop.orders")
    assert refused.code == 1
    assert "permission denied" in refused.err


def test_a_closed_standard_output_still_gives_back(live_cli, live_plane):
    """``protem run ... | head -0`` leaves no grant behind."""
    reader, writer = os.pipe()
    os.close(reader)
    process = live_cli.start(
        *ON, "--", "psql", "-c", "select 1", stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    process.communicate(timeout=20)
    assert live_plane.only_grant()["state"] == "ended"


def test_an_account_without_a_home_can_run(live_cli, live_plane):
    """With the token in the environment, nothing has to be written where nothing can be."""
    (live_cli.home / "state").write_text("a file, so that no folder can be made", encoding="utf-8")
    done = live_cli.run(*ON, "--", "psql", "-Atc", "select id from shop.orders limit 1")
    assert (done.code, done.out) == (0, "1\n")
    assert "given back; orders-db was read back" in done.err
    assert live_plane.only_grant()["end_cause"] == "given_back"


def test_end_all_ends_what_is_on_later_pages_too(live_cli, postgresql):
    """Listings come in pages; all means all."""
    for _ in range(3):
        done = live_cli.run(*ON, "--keep", "--", "psql", "-Atc", "select 1 from shop.orders")
        assert done.code == 0
    done = live_cli.run("end", "--all", "-o", "json")
    assert (done.code, len(done.json["grants"])) == (0, 3)
    assert _roles(postgresql) == []
