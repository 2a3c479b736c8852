"""With the control plane dead for good, the target and the sweep end what it would have ended."""

import asyncio
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from benchmarks.granted_roles import Asker, ask_for_many, fates, sweeping

from protem.entrypoints.demo.stage import built

SLEEP = "select count(*), pg_sleep(60) from shop.orders"
LENGTH_SECONDS = 4
GRANTS, LIVE = 200, 40
PERIOD_SECONDS = 1
LATEST_SECONDS = PERIOD_SECONDS + 5


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


def sessions(stage):
    """The sessions of grants that PostgreSQL has."""
    query = "select pid from pg_stat_activity where usename ~ '^protem_[0-7]' and state = 'active'"
    with psycopg.connect(stage.database.dsn()) as connection:
        return connection.execute(query).fetchall()


def kill_when_used(stage):
    """Kill the control plane as soon as the grant has a session; return its role's name."""
    deadline = time.monotonic() + 15
    while not sessions(stage):
        assert time.monotonic() < deadline, "the session never came"
        time.sleep(0.02)
    stage.server.kill()
    (name,) = roles(stage)
    return name


def test_a_sweep_ends_a_live_session_when_nobody_else_is_left():
    """Killed before expiry and never restarted: the session outlives E only until the sweep."""
    with built() as stage, run_for(stage, f"{LENGTH_SECONDS}s") as client:
        name = kill_when_used(stage)

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
        name = kill_when_used(stage)
        time.sleep(LENGTH_SECONDS)
        with psycopg.connect(stage.database.dsn(), autocommit=True) as superuser:
            superuser.execute(f"alter role {name} password 'known-to-the-test'")
            login = stage.database.dsn(name, "known-to-the-test", "shop")
            with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                psycopg.connect(login)
            superuser.execute(f"alter role {name} valid until 'infinity'")
            psycopg.connect(login).close()
        client.kill()


def test_two_hundred_grants_end_with_nobody_but_the_sweep():
    """No login is let in after expiry, every session is cut and every role goes, all in time."""
    with built() as stage:
        grants = ask_for_many(stage, GRANTS, seconds=22, a_second=20)
        stage.server.kill()
        assert min(one.expires_at for one in grants) > time.time() + 2, "made too slowly to tell"
        with sweeping(stage, PERIOD_SECONDS) as process:
            found = asyncio.run(fates(stage, grants, live=LIVE, until=2 * LATEST_SECONDS))
            assert process.poll() is None, "the sweep went on"
        assert roles(stage) == []
    assert [late for fate in found for late in fate.let_in_late] == []
    assert [early for fate in found for early in fate.refused_early] == []
    assert all(any(one.let_in for one in fate.logins) for fate in found), "each worked in its time"
    assert all(any(not one.let_in for one in fate.logins) for fate in found), "each was refused"
    # The sweep leaves half a second for a control plane; who refuses in it is PostgreSQL itself.
    assert sum(bool(fate.refused_with_role) for fate in found) > GRANTS / 2
    cut = [fate.cut_at - fate.granted.expires_at for fate in found if fate.cut_at is not None]
    gone = [fate.gone_at - fate.granted.expires_at for fate in found if fate.gone_at is not None]
    assert (len(cut), len(gone)) == (LIVE, GRANTS)
    assert min(cut + gone) >= 0, "nothing ends early"
    assert max(cut + gone) < LATEST_SECONDS
    print(f"cut {max(cut):.2f} s, gone {max(gone):.2f} s after expiry at most")


def test_a_sweep_beside_a_living_control_plane_does_no_harm():
    """Both end the same grants; each is on record as expired, none as stuck or removed by hand."""
    with (
        built() as stage,
        sweeping(stage, PERIOD_SECONDS) as process,
        Asker(stage) as asker,
    ):
        grants = ask_for_many(stage, 30, seconds=3, a_second=30)
        running = asker.ask(900)
        deadline = time.monotonic() + 20
        seen = {}
        while time.monotonic() < deadline and set(seen.values()) != {("ended", "expired")}:
            time.sleep(0.2)
            for one in grants:
                grant = asker.call("GET", f"/v1/grants/{one.id}")
                seen[one.id] = grant["state"], grant["end_cause"]
        assert set(seen.values()) == {("ended", "expired")}
        assert roles(stage) == [running.role], "what runs is left alone"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "NOT ended" not in out
        assert "error" not in out
