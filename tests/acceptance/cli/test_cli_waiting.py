"""Asking when people must approve: waiting, detaching, resuming, reviewing."""

from __future__ import annotations

import stat

import pytest

from protem.domain import canonical_json

NEEDS = ("run", "--on", "orders-db", "--ticket", "NEED-1")
SELECT = ("--", "psql", "-At", "-c", "select 'it ran'")


def test_without_a_terminal_nobody_waits(cli, plane):
    """Exit 5, the id alone on standard output, and the command that goes on with it."""
    done = cli.run(*NEEDS, *SELECT)
    grant_id = plane.only_grant()["id"]
    assert (done.code, done.out) == (5, f"{grant_id}\n")
    assert f"try: protem run --resume {grant_id}" in done.err


def test_a_wait_has_an_end(cli, plane):
    """``--wait`` gives up after its time, and the request goes on."""
    done = cli.run(*NEEDS, "--wait", "1s", *SELECT)
    assert done.code == 5
    assert "Waiting for 1 of 1 approval (asked: db-owners)" in done.err
    assert plane.only_grant()["state"] == "pending"


@pytest.mark.usefixtures("plane")
def test_what_is_remembered_is_private_and_holds_no_secret(cli):
    """The state of a waiting request is the request: no password exists yet."""
    cli.run(*NEEDS, "--no-wait", *SELECT)
    folder = cli.home / "state" / "protem"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not [path for path in files if "password" in path.read_text(encoding="utf-8")]


@pytest.mark.postgresql
def test_ctrl_c_detaches_and_resume_goes_on(live_cli, live_plane):
    """Ctrl-C keeps the request and says how to resume; resuming runs what was approved."""
    terminal = live_cli.at_terminal(*NEEDS, *SELECT)
    terminal.expect("Ctrl-C keeps the request")
    terminal.type("\x03")
    grant = live_plane.only_grant()
    terminal.expect(f"protem run --resume {grant['id']}")
    assert terminal.wait() == 130
    assert grant["state"] == "pending"
    live_plane.move(grant, "approved")
    done = live_cli.run("run", "--resume", grant["id"])
    assert (done.code, done.out) == (0, "it ran\n")
    again = live_cli.run("run", "--resume", grant["id"])
    assert (again.code, "was given back" in again.err) == (6, True)


@pytest.mark.postgresql
def test_the_line_at_the_terminal_goes_on_by_itself(live_cli, live_plane):
    """Once approved, the command runs without another key."""
    terminal = live_cli.at_terminal(*NEEDS, *SELECT)
    terminal.expect("Waiting for 1 of 1 approval (asked: db-owners)")
    live_plane.move(live_plane.only_grant(), "approved")
    terminal.expect("it ran")
    assert terminal.wait() == 0


def test_each_approval_is_told_as_it_comes(cli, plane):
    """Who said yes is on a line of its own, whatever else is still missing."""
    terminal = cli.at_terminal(*NEEDS, *SELECT)
    terminal.expect("Waiting for 1 of 1 approval")
    grant = plane.only_grant()
    yes = {"reviewer": "local|dana\x1b[2J", "verdict": "approve", "digest": grant["digest"]}
    plane.move(grant, "pending", approvals=[yes])
    terminal.expect("dana\\x1b[2J approved.")
    plane.move(grant, "cancelled")
    assert terminal.wait() == 6


@pytest.mark.parametrize(("state", "code"), [("denied", 3), ("cancelled", 6), ("lapsed", 6)])
def test_what_is_over_ends_the_wait_with_its_code(cli, plane, state, code):
    """Denied is 3; cancelled and lapsed are 6."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    plane.move(grant, state)
    assert cli.run("run", "--resume", grant["id"]).code == code


def test_only_what_this_machine_asked_for_is_run(cli, plane):
    """A server cannot make a client run a command of the server's choosing."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    grant["request"]["command"]["argv"] = ["psql", "-c", "drop table shop.orders"]
    plane.move(grant, "approved")
    done = cli.run("run", "--resume", grant["id"])
    assert done.code == 1
    assert "was changed" in done.err
    assert grant["state"] == "approved"


def test_approving_shows_everything_and_sends_the_digest_of_what_was_shown(cli, plane):
    """The reviewer sees command, privileges and risks, answers y, and that digest is sent."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    terminal = cli.at_terminal("request", "approve", grant["id"])
    shown = terminal.expect("Approve this? [y/N]")
    assert "select '\"'\"'it ran'\"'\"'" in shown or "it ran" in shown
    assert "SELECT on table shop.orders (id, status)" in shown
    assert "\x1b[31m! WRITES data" in shown
    terminal.type("y\n")
    assert terminal.wait() == 0
    sent = [body for _, path, body, _ in plane.calls if path.endswith("/reviews")]
    assert [body["digest"] for body in sent] == [canonical_json.digest(grant["request"])]


def test_no_is_the_default_answer(cli, plane):
    """Return alone approves nothing."""
    cli.run(*NEEDS, *SELECT)
    terminal = cli.at_terminal("request", "approve", plane.only_grant()["id"])
    terminal.expect("[y/N]")
    terminal.type("\n")
    assert terminal.wait() == 130
    assert plane.only_grant()["approvals"] == []


def test_a_request_that_does_not_match_its_digest_is_not_reviewed(cli, plane):
    """A server that shows one thing and has another approved is found out."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    grant["request"]["reason"] = "something harmless"
    done = cli.run("request", "approve", grant["id"], "--yes")
    assert done.code == 1
    assert grant["approvals"] == []


def test_scripts_approve_by_digest(cli, plane):
    """Without a terminal a review needs the digest; a wrong one sends nothing."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    assert cli.run("request", "approve", grant["id"]).code == 2
    assert cli.run("request", "approve", grant["id"], "--digest", "sha256:0").code == 1
    assert grant["approvals"] == []
    done = cli.run("request", "approve", grant["id"], "--digest", grant["digest"], "-o", "json")
    assert (done.code, done.json["request"]["state"]) == (0, "approved")


def test_cancelling_forgets_the_request(cli, plane):
    """After ``request cancel`` there is nothing to resume, and it says why."""
    cli.run(*NEEDS, *SELECT)
    grant_id = plane.only_grant()["id"]
    assert cli.run("request", "cancel", grant_id).code == 0
    done = cli.run("run", "--resume", grant_id)
    assert (done.code, "was cancelled" in done.err) == (6, True)
