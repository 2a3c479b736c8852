"""The closed loop, end to end: each end is stated of its target, and the doctor tells the rest."""

import json
import os
import subprocess
import sys
import time
import urllib.request

import psycopg
import pytest

from protem.audit.checkpoint import VerifierKey
from protem.audit.verifier import verify_log
from protem.entrypoints.demo.stage import built

SOON_SECONDS = 5
GRANTS = 6


@pytest.fixture(scope="module")
def stage():
    """A whole control plane on a real database."""
    with built() as found:
        yield found


def protem(stage, who, *arguments):
    """Run the command line as that person."""
    return subprocess.run(
        [sys.executable, "-m", "protem", *arguments],
        env={**os.environ, **stage.people[who].environment},
        cwd=stage.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def entries(stage):
    """The published log."""
    lines = (stage.audit_folder / "entries.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def ends_and_closings(stage):
    """The place of each end in the log, and of the statement that closes it."""
    log = entries(stage)
    ended = {entry["grant"]: at for at, entry in enumerate(log) if entry["kind"] == "grant.ended"}
    closed = {
        grant: (at, entry)
        for at, entry in enumerate(log)
        if entry["kind"] == "target.observed"
        for grant in entry["data"]["closes"]
    }
    return ended, closed


def eventually(is_so, seconds=SOON_SECONDS):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def use_a_grant(stage, column):
    """Ask, run one statement and give back."""
    statement = ("psql", "-c", f"select {column} from shop.orders limit 1")
    ask = ("--on", "orders-db", "--why", "a test", "--ticket", "INC-1")
    done = protem(stage, "dana", "run", *ask, "--", *statement)
    assert done.returncode == 0, done.stderr


def test_each_end_is_soon_followed_by_a_statement_that_closes_it(stage):
    """Six grants end; each is closed by a later statement with no orphan, and the log verifies."""
    for _ in range(GRANTS):
        use_a_grant(stage, "id")
    eventually(lambda: len(ends_and_closings(stage)[0]) == GRANTS)
    eventually(lambda: len(ends_and_closings(stage)[1]) == GRANTS)
    ended, closed = ends_and_closings(stage)
    assert ended.keys() == closed.keys()
    for grant, (at, statement) in closed.items():
        assert at > ended[grant]
        assert statement["data"]["orphans"] == 0
        assert f"protem_{grant}" not in statement["data"]["privileges"]
    done = protem(
        stage, "dana", "audit", "verify", str(stage.audit_folder),
        "--key", str(stage.audit_key), "--rules",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ended, and not stated" not in done.stderr


def test_an_end_that_a_crash_left_unattested_is_closed_after_the_restart(stage):
    """Killed as soon as the end is on record: the next run finds it in the log and closes it."""
    use_a_grant(stage, "status")
    stage.server.kill()
    stage.server.start()
    eventually(lambda: (pair := ends_and_closings(stage))[0].keys() == pair[1].keys())
    key = VerifierKey.parse(stage.audit_key.read_text())
    assert verify_log(stage.audit_folder, key, check_rules=True).intact


def test_the_doctor_names_who_stands_beside_us_and_not_ourselves(stage):
    """The superuser and a person's own login are notes with a statement to type; exit code 0."""
    with psycopg.connect(stage.database.dsn(dbname="shop"), autocommit=True) as connection:
        connection.execute('CREATE ROLE "Gru\'s" LOGIN; GRANT pg_read_all_data TO "Gru\'s"')
        done = protem(stage, "omar", "doctor")
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "note     orders-db/Gru's: a standing privilege:" in done.stdout
    assert 'ALTER ROLE "Gru\'s" NOLOGIN;' in done.stdout
    assert "orders-db/postgres" in done.stdout
    assert "in use now by 1 session" in done.stdout
    assert "protem_planner" not in done.stdout
    assert "protem_admin" not in done.stdout


def test_the_metrics_tell_the_same_without_asking_the_target(stage):
    """Figures of the last look; they are still there when the database is not."""

    def text():
        with urllib.request.urlopen(f"{stage.server.url}/metrics", timeout=5) as answer:  # noqa: S310  # loopback
            return answer.read().decode()

    eventually(lambda: 'protem_target_reachable{target="orders-db"} 1.0' in text())
    assert 'protem_orphans{target="orders-db"} 0.0' in text()
    assert 'protem_standing_privileges{target="orders-db"}' in text()
    assert "protem_clock_behind_seconds 0.0" in text()


def test_the_doctor_says_what_to_type_at_a_role_that_nothing_explains(stage):
    """A marked role of no target is reported, not touched; the statements given remove it."""
    name = "protem_01arz3ndektsv4rrffq69g5fav"
    with psycopg.connect(stage.database.dsn(dbname="shop"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN VALID UNTIL '2090-01-01'")
        said = json.loads(protem(stage, "omar", "doctor", "-o", "json").stdout)["findings"]
        (found,) = [one for one in said if one["subject"] == f"orders-db/{name}"
                    and "not whose" in one["message"]]  # fmt: skip
        connection.execute(found["next_step"].split(": ", 1)[1])
        left = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchall()
    assert left == []
