"""``--at`` end to end: asked now, begun then, at the terminal that waited and at one that left."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.acceptance.test_closed_loop import protem

from protem.entrypoints.demo.stage import built

READ = ("--", "psql", "-At", "-c", "select count(*) from shop.orders")
WHY = ("--on", "orders-db", "--why", "a test", "--ticket", "INC-1")


@pytest.fixture(scope="module")
def stage():
    """A whole control plane."""
    with built() as found:
        yield found


def ahead(seconds):
    """A moment, as one may write it."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment, moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def test_a_terminal_that_waits_begins_at_the_moment(stage):
    """The command runs once its start has come, and the grant is given back."""
    start, text = ahead(6)
    done = protem(stage, "dana", "run", *WHY, "--at", text, "--wait", "1m", *READ)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    assert "given back" in done.stderr
    assert datetime.now(UTC) >= start.replace(microsecond=0)


def test_a_terminal_that_left_goes_on_after_the_start(stage):
    """Before it, the answer says when; after it, ``--resume`` runs what was asked."""
    start, text = ahead(8)
    left = protem(stage, "dana", "run", *WHY, "--at", text, "--no-wait", *READ)
    assert left.returncode == 5, left.stderr
    grant_id = left.stdout.strip()
    assert "is approved and begins in" in left.stderr
    assert f"protem run --resume {grant_id}" in left.stderr
    early = protem(stage, "dana", "run", "--resume", grant_id)
    assert early.returncode == 5, early.stderr
    assert "approved, begins in" in protem(stage, "dana", "request", "show", grant_id).stdout
    time.sleep(max(0.0, (start - datetime.now(UTC)).total_seconds()) + 1)
    done = protem(stage, "dana", "run", "--resume", grant_id)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


@pytest.mark.parametrize("when", ["yesterday", "2020-01-01T00:00Z", "2999-01-01T00:00Z", "25:00"])
def test_a_start_that_cannot_be_is_refused_in_a_sentence(stage, when):
    """No trace, no request."""
    done = protem(stage, "dana", "run", *WHY, "--at", when, *READ)
    assert done.returncode in (1, 2), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
