"""What one holds, in the shell prompt and on a live board."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

ON = ("run", "--on", "orders-db")
NEEDS = (*ON, "--ticket", "NEED-1")
SELECT = ("--", "psql", "-At", "-c", "select 1")
OTHER_SCREEN, OWN_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


@pytest.mark.postgresql
def test_the_prompt_shows_a_kept_grant_until_it_is_ended(live_cli, live_plane):
    """From a note on this machine: the prompt makes no call."""
    assert live_cli.run("prompt").out == ""
    live_cli.run(*ON, "--for", "30m", "--keep", *SELECT)
    calls = len(live_plane.calls)
    assert live_cli.run("prompt").out == "[orders-db 29m]\n"
    assert len(live_plane.calls) == calls
    live_cli.run("extend", "15m")
    assert live_cli.run("prompt").out == "[orders-db 44m]\n"
    live_cli.run("end")
    assert live_cli.run("prompt").out == ""


@pytest.mark.postgresql
def test_nothing_is_left_in_the_prompt_after_a_run(live_cli):
    """What was given back is gone from the prompt, too."""
    live_cli.run(*ON, *SELECT)
    assert live_cli.run("prompt").out == ""


def test_status_brings_the_prompt_up_to_date(cli, plane):
    """What ended elsewhere goes, what began elsewhere comes."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    plane.move(grant, "active", expires_at="2099-01-01T00:00:00Z")
    cli.run("status")
    assert cli.run("prompt").out.startswith("[orders-db ")
    plane.move(grant, "ended")
    cli.run("status")
    assert cli.run("prompt").out == ""


def test_the_board_follows_what_happens_and_leaves_the_terminal_as_it_was(cli, plane):
    """A request waits, is approved and used, and goes; q leaves."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    terminal = cli.at_terminal("watch")
    terminal.expect("0 live, 1 waiting")
    terminal.expect(grant["id"])
    plane.move(grant, "active", expires_at="2099-01-01T00:00:00Z")
    terminal.expect("1 live, 0 waiting")
    plane.move(grant, "ended")
    terminal.expect("0 live, 0 waiting")
    terminal.type("q")
    assert terminal.wait() == 0
    assert terminal.seen.index(OTHER_SCREEN) < terminal.seen.rindex(OWN_SCREEN)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(cli, number):
    """However the board ends, the cursor and the screen come back."""
    terminal = cli.at_terminal("watch")
    terminal.expect("q leaves")
    os.kill(terminal.pid, number)
    terminal.wait()
    assert terminal.seen.rstrip().endswith("\x1b[?25h" + OWN_SCREEN)


def test_hostile_text_moves_nothing_on_the_board(cli, plane):
    """Escapes in a target's name and in a command are shown, not obeyed."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    plane.move(grant, "pending", target="db\x1b]0;owned\x07\u202e", principal="local|a\nb")
    terminal = cli.at_terminal("watch")
    terminal.expect("q leaves")
    terminal.type("q")
    terminal.wait()
    assert "\x1b]0" not in terminal.seen
    assert "\u202e" not in terminal.seen
    assert "db\\x1b" in terminal.seen


def test_many_grants_fit_the_terminal(cli, plane):
    """What does not fit is counted; nothing scrolls."""
    cli.run(*NEEDS, *SELECT)
    grant = plane.only_grant()
    for number in range(60):
        plane.grants[f"copy{number:03}"] = grant | {"id": f"copy{number:03}"}
    terminal = cli.at_terminal("watch")
    terminal.expect("56 more")
    terminal.type("q")
    terminal.wait()
    screen = terminal.seen[terminal.seen.index("\x1b[H") :].split("\x1b[J")[0]
    assert screen.count("\r\n") < 24


def test_a_server_that_goes_away_is_said_and_the_board_goes_on(cli, plane):
    """What was known stays, with why it is old."""
    terminal = cli.at_terminal("watch")
    terminal.expect("q leaves")
    plane.drop_everything = True
    terminal.expect("not heard from", seconds=30)
    plane.drop_everything = False
    terminal.seen = ""
    terminal.expect("q leaves", seconds=30)
    terminal.type("q")
    assert terminal.wait() == 0


def test_without_a_terminal_it_says_what_to_do(cli):
    """No board into a pipe; a program asks for JSON."""
    done = cli.run("watch")
    assert (done.code, "protem grant ls" in done.err) == (2, True)


def test_programs_get_a_document_whenever_something_changed(cli, plane):
    """One JSON document at the start, another after a change."""
    cli.run(*NEEDS, *SELECT)
    process = cli.start("watch", "-o", "json", stdout=subprocess.PIPE)
    try:
        decoder, text = json.JSONDecoder(), ""
        found = []
        while len(found) < 2:
            text += process.stdout.read1(65_536).decode()
            try:
                document, end = decoder.raw_decode(text.lstrip())
            except ValueError:
                continue
            found.append(document)
            text = text.lstrip()[end:]
            plane.move(plane.only_grant(), "cancelled")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert [len(one["requests"]) for one in found] == [1, 0]
