"""With the control plane dead for good, the target and the sweep end what it would have ended."""

import subprocess
import sys
import time

import psycopg
import pytest

from protem.entrypoints.demo.stage import built

SLEEP = "select count(*), pg_sleep(60) from shop.orders"
LENGTH_SECONDS = 4


def run_for(stage, length):
    """Dana's long query under a short grant."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "protem", "run", "--on", "orders-db", "--for", length),
            *("--why", "x", "--ticket", "INC-9", "--", "psql", "-c", SLEEP),
        ],
        env=dict(stage.people["dana"].environment),
        cwd=stage.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def sweep(stage):
    """One pass of the sweep, as a timer beside the target would start it."""
    environment = dict(stage.people["omar"].environment)
    environment["PGPASSWORD"] = (stage.folder / "administrator").read_text()
    target = f"postgresql://protem_admin@127.0.0.1:{stage.database.port}/shop"
    return subprocess.run(
        [sys.executable, "-m", "protem", "sweep", "--target", target],
        env=environment,
        cwd=stage.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def roles(stage, column="rolname"):
    """What PostgreSQL holds of grants, or one fact of it."""
    query = f"select {column} from pg_roles where rolname ~ '^protem_[0-7]'"
    with psycopg.connect(stage.database.dsn()) as connection:
        return [row[0] for row in connection.execute(query)]


def kill_when_granted(stage):
    """Kill the control plane as soon as the grant's role is there; return the role's name."""
    deadline = time.monotonic() + 15
    while not roles(stage):
        assert time.monotonic() < deadline, "the grant never came"
        time.sleep(0.05)
    stage.server.kill()
    (name,) = roles(stage)
    return name


def test_a_sweep_ends_a_live_session_when_nobody_else_is_left():
    """Killed before expiry and never restarted: the session outlives E only until the sweep."""
    with built() as stage, run_for(stage, f"{LENGTH_SECONDS}s") as client:
        name = kill_when_granted(stage)

        early = sweep(stage)
        assert early.returncode == 0, early.stderr
        assert roles(stage) == [name], "a sweep before the deadline ends nothing"

        time.sleep(LENGTH_SECONDS)
        assert roles(stage, "rolvaliduntil < now()") == [True], (
            "the target itself holds the deadline"
        )
        assert client.poll() is None, (
            "a live session outlives VALID UNTIL: that is why sweep exists"
        )
        swept = sweep(stage)
        assert swept.returncode == 0, swept.stderr
        assert name in swept.stdout
        assert roles(stage) == []
        out, _ = client.communicate(timeout=30)
        assert client.returncode != 0
        assert "terminating connection" in out


def test_new_logins_die_natively_at_the_deadline():
    """With no sweep and no control plane, PostgreSQL refuses the password after E."""
    with built() as stage, run_for(stage, f"{LENGTH_SECONDS}s") as client:
        name = kill_when_granted(stage)
        time.sleep(LENGTH_SECONDS)
        with psycopg.connect(stage.database.dsn(), autocommit=True) as superuser:
            superuser.execute(f"alter role {name} password 'known-to-the-test'")
            login = stage.database.dsn(name, "known-to-the-test", "shop")
            with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                psycopg.connect(login)
            superuser.execute(f"alter role {name} valid until 'infinity'")
            psycopg.connect(login).close()
        client.kill()
