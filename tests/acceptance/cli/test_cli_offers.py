"""Less instead of no, and remarks: at the terminal of the approver and of the requester."""

import pytest

NEEDS = ("run", "--on", "orders-db", "--ticket", "NEED-1")
SELECT = ("--", "psql", "-At", "-c", "select 'it ran'")


@pytest.fixture
def grant(cli, plane):
    """A request that waits."""
    cli.run(*NEEDS, *SELECT)
    return plane.only_grant()


def test_an_approver_offers_less(cli, plane, grant):
    """The whole page first, then less of it is sent, bound to what was shown."""
    terminal = cli.at_terminal(
        "request", "approve", grant["id"], "--for", "10m", "--without", "select on shop.orders"
    )
    terminal.expect("Offer less than this? [y/N]")
    terminal.type("y\n")
    terminal.expect("omar offers: 10m, without SELECT on table shop.orders")
    assert terminal.wait() == 0
    ((_, _, body, _),) = [call for call in plane.calls if call[1].endswith("/offers")]
    assert (body["digest"], body["duration_seconds"]) == (grant["digest"], 600)
    assert [row["action"] for row in body["without"]] == ["SELECT"]


@pytest.mark.parametrize("text", ["DELETE on shop.orders", "everything", "", "SELECT on \x1b[2J"])
def test_what_is_not_asked_for_cannot_be_left_out(cli, plane, grant, text):
    """Nothing is sent, and what is asked for is listed."""
    done = cli.run("request", "approve", grant["id"], "--yes", "--without", text)
    assert done.code == 2
    assert "SELECT on table shop.orders" in done.err
    assert "\x1b" not in done.err
    assert not [call for call in plane.calls if call[1].endswith("/offers")]


def test_the_requester_takes_an_offer_with_one_key(cli, plane):
    """In the waiting run: Return, and it goes on with what was offered."""
    terminal = cli.at_terminal(*NEEDS, *SELECT)
    terminal.expect("Waiting for")
    grant = plane.only_grant()
    plane.offer(grant, {"without": [], "duration_seconds": 600})
    terminal.expect("omar offers: 10m. Accept? [Y/n]")
    terminal.type("\n")
    terminal.wait()
    ((_, _, body, _),) = [call for call in plane.calls if call[1].endswith("/accept")]
    assert body == {"digest": grant["digest"]}


def test_an_offer_that_is_refused_is_not_asked_about_again(cli, plane):
    """The request goes on as it was."""
    terminal = cli.at_terminal(*NEEDS, *SELECT)
    terminal.expect("Waiting for")
    grant = plane.only_grant()
    plane.offer(grant, {"without": [], "duration_seconds": 600})
    terminal.expect("[Y/n]")
    terminal.type("n\n")
    terminal.expect("Waiting for")
    plane.move(grant, "cancelled")
    assert terminal.expect("was cancelled").count("Accept?") == 1
    assert terminal.wait() == 6


def test_an_offer_of_another_command_is_not_shown(cli, plane, grant):
    """A server cannot slip a command of its choice in as an offer."""
    command = {"argv": ["psql", "-c", "drop table shop.orders"], "inputs": {}}
    plane.offer(grant, {"without": []}, command=command)
    assert cli.run("request", "accept", grant["id"]).code == 1
    assert "offers" not in cli.run("request", "show", grant["id"]).out


def test_accept_takes_the_only_offer(cli, plane, grant):
    """Without a terminal, too; where there are two it asks which."""
    plane.offer(grant, {"without": [], "duration_seconds": 600})
    plane.offer(grant, {"without": [], "duration_seconds": 300})
    done = cli.run("request", "accept", grant["id"])
    assert done.code == 1
    assert "5m" in done.err
    digest = grant["offers"][1]["digest"]
    assert cli.run("request", "accept", grant["id"], "--digest", digest).code == 0
    assert grant["request"]["duration_seconds"] == 300


def test_comments_are_sent_and_shown_harmless(cli, grant):
    """Terminal escapes in them are only text."""
    assert cli.run("request", "comment", grant["id"], "why\x1b[2J?").code == 0
    shown = cli.run("request", "show", grant["id"]).out
    assert "dana: why\\x1b[2J?" in shown
