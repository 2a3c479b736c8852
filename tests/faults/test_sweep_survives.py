"""The sweep outlives what happens to its target, to itself and beside itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from protem.testing import postgresql_server

MANY = 150
GIVEN_UP_SECONDS = 5
"""How long the sweep itself waits for a connection; a signal must not."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server():
    """Start a PostgreSQL of our own, since these tests end it."""
    started = postgresql_server.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def overdue(server):
    """Make many roles that are past their deadline, and one that is not."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for number in range(MANY):
            role = f"protem_01{number:024d}"
            connection.execute(f"create role {role} login valid until '2020-01-01Z'")
        connection.execute(f"create role protem_02{0:024d} login valid until '2099-01-01Z'")
        yield
        for role in roles(server):
            connection.execute(f"drop role if exists {role}")


def roles(server):
    """What bears our mark."""
    with psycopg.connect(server.dsn()) as connection:
        rows = connection.execute("select rolname from pg_roles where rolname ~ '^protem_[0-7]'")
        return sorted(row[0] for row in rows)


def overdue_roles(server):
    """What should not be there."""
    return [role for role in roles(server) if role.startswith("protem_01")]


@contextmanager
def sweep(port, *options, **streams):
    """Run the command line's sweep as a process of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "PYTHONPATH": str(ROOT / "src"),
        "PGPASSWORD": postgresql_server.PASSWORD,
        "LANG": "C.UTF-8",
    }
    target = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    process = subprocess.Popen(
        [sys.executable, "-m", "protem", "sweep", "--target", target, *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=streams.get("stdout", subprocess.PIPE),
        stderr=streams.get("stderr", subprocess.STDOUT),
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(fact, seconds=20):
    """Wait for a fact, and fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def restarted(server, away_seconds):
    """Stop PostgreSQL as a crash would, and start it again on the same data after a while."""
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(10)
    time.sleep(away_seconds)
    again = postgresql_server._spawn(server.binaries, server.folder, server.port, ())
    found = replace(server, process=again)
    postgresql_server._wait(found)
    return found


def test_a_target_that_restarts_is_swept_again_and_its_absence_is_said_once(tmp_path):
    """With the target away for some periods: one line for each reason, one that it is back."""
    server = postgresql_server.start()
    said = tmp_path / "said"
    try:
        with (
            said.open("w") as file,
            sweep(server.port, "--every", "1s", stdout=file, stderr=file) as process,
        ):
            until(lambda: "nothing of Protem's is there" in said.read_text())
            server = restarted(server, away_seconds=4)
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(f"create role protem_01{0:024d} valid until '2020-01-01Z'")
            until(lambda: "ended: protem_01" in said.read_text())
            assert process.poll() is None
        lines = said.read_text().splitlines()
    finally:
        server.stop()
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors
    assert len(errors) == len(set(errors)), "each reason once"
    assert any("cannot be reached" in line for line in errors)
    assert lines.count("the target answers again") >= 1
    assert lines[-1] == f"ended: protem_01{0:024d}"


@pytest.mark.usefixtures("overdue")
def test_a_sweep_killed_outright_is_finished_by_the_next(server):
    """Killed in the middle of a pass, again and again, it leaves nothing that the next cannot."""
    for part in (3, 2):
        with sweep(server.port) as process:
            until(lambda part=part: len(overdue_roles(server)) < MANY * part / 4)
            process.kill()
            process.wait()
    assert overdue_roles(server), "it was killed in the middle"
    with sweep(server.port) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert overdue_roles(server) == []
    assert roles(server) == [f"protem_02{0:024d}"]


@pytest.mark.usefixtures("overdue")
def test_two_sweeps_at_once_share_the_work(server):
    """Both succeed, whoever ended what; each privilege is named by one of them at least."""
    with sweep(server.port) as one, sweep(server.port) as other:
        first, _ = one.communicate(timeout=60)
        second, _ = other.communicate(timeout=60)
    assert (one.returncode, other.returncode) == (0, 0), first + second
    assert roles(server) == [f"protem_02{0:024d}"]
    named = {line for line in (first + second).splitlines() if line.startswith("ended: ")}
    assert len(named) == MANY


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("answers", [True, False], ids=["between passes", "at a silent target"])
def test_a_signal_ends_it_at_once(server, tmp_path, number, code, answers):
    """Stopped in order: 0 for SIGTERM and 130 for the keyboard, whatever it waits for."""
    said = tmp_path / "said"
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        said.open("w") as file,
        ExitStack() as opened,
    ):
        port = server.port if answers else silent.getsockname()[1]
        with sweep(port, "--every", "30d", stdout=file, stderr=file) as process:
            if answers:
                until(lambda: "nothing of Protem's is there" in said.read_text())
            else:
                opened.enter_context(silent.accept()[0]).recv(
                    8
                )  # it waits for the answer to its first message
            process.send_signal(number)
            assert process.wait(GIVEN_UP_SECONDS - 1) == code
    assert ("error: interrupted" in said.read_text()) == (number == signal.SIGINT)


def test_a_target_that_accepts_and_says_nothing_is_given_up(tmp_path):
    """A connection is not waited for longer than a few seconds; the sweep says so and goes on."""
    said = tmp_path / "said"
    with socket.create_server(("127.0.0.1", 0)) as silent, said.open("w") as file:
        port = silent.getsockname()[1]
        with sweep(port, "--every", "1s", stdout=file, stderr=file) as process:
            until(lambda: "error: the database cannot be reached" in said.read_text())
            for _ in range(2):
                silent.accept()[0].close()  # the first, and the one of the next pass
            assert process.poll() is None
    assert said.read_text().count("error: ") == 1


def test_what_can_never_work_ends_it_at_once():
    """A mistyped command line is not repeated for ever."""
    with sweep("not-a-port", "--every", "1s") as process:
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "not a connection URI" in out
