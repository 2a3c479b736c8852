"""Sign-in, bad input, bad servers, and what programs read."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import threading

import pytest
from tests.acceptance.cli.command_line_driver import CommandLine
from tests.acceptance.cli.loopback_control_plane import ONE_TIME_TOKEN, SESSION_TOKEN

PSQL = ("--", "psql", "-c", "select 1")


def test_sign_in_is_kept_in_a_private_file_and_sign_out_forgets_it(tmp_path, plane):
    """The session's token is 0600 on disk, never shown, and gone after logout."""
    cli = CommandLine(home=tmp_path)
    done = cli.run("login", "--server", plane.url, "--token-stdin", stdin=ONE_TIME_TOKEN + "\n")
    assert done.code == 0
    assert SESSION_TOKEN not in done.out + done.err
    file = tmp_path / "state" / "protem" / "sign-in.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cli.run("status").code == 0
    assert cli.run("logout").code == 0
    assert SESSION_TOKEN not in file.read_text(encoding="utf-8")
    assert cli.run("status").code == 4


def test_a_token_that_others_could_read_is_refused(tmp_path, plane):
    """A sign-in file with loose modes is not used."""
    cli = CommandLine(home=tmp_path)
    cli.run("login", "--server", plane.url, "--token-stdin", stdin=ONE_TIME_TOKEN)
    (tmp_path / "state" / "protem" / "sign-in.json").chmod(0o644)
    assert "not yours alone" in cli.run("grant", "ls").err


def test_the_prompt_for_a_token_does_not_echo(tmp_path, plane):
    """At a terminal the token is asked for and not shown."""
    cli = CommandLine(home=tmp_path)
    terminal = cli.at_terminal("login", "--server", plane.url)
    terminal.expect("One-time token")
    terminal.type(ONE_TIME_TOKEN + "\n")
    terminal.expect("Signed in")
    assert terminal.wait() == 0
    assert ONE_TIME_TOKEN not in terminal.seen


def test_precedence_is_flag_then_environment_then_file(tmp_path, plane):
    """``--server`` beats PROTEM_SERVER, which beats the configuration file."""
    (tmp_path / "config" / "protem").mkdir(parents=True)
    file = tmp_path / "config" / "protem" / "config.toml"
    file.write_text(f'server = "{plane.url}"\n', encoding="utf-8")
    from_file = CommandLine(home=tmp_path, token=SESSION_TOKEN)
    assert from_file.run("status").code == 0
    nowhere = "http://127.0.0.1:9"
    from_environment = CommandLine(home=tmp_path, server=nowhere, token=SESSION_TOKEN)
    assert from_environment.run("status").code == 7
    assert from_environment.run("status", "--server", plane.url).code == 0
    assert from_environment.run("--server", plane.url, "status").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run"], 2),
        (["run", "--on", "orders-db"], 2),
        (["run", "--on", "orders-db", "--for", "15", *PSQL], 2),
        (["run", "--on", "orders-db", "--for", "-1m", *PSQL], 2),
        (["run", "--on", "orders-db", "--", "rm", "-rf", "/"], 2),
        (["run", "--on", "orders-db", "--", "psql", "-f", "/no/such\n/file"], 2),
        (["run", "--on", "orders-db", "--", "psql", "--no-such-option"], 2),
        (["run", "--on", "../../etc\x1b[2J", *PSQL], 1),
        (["run", "--resume", "../../etc/passwd"], 1),
        (["request", "show", "'; drop table x --"], 1),
        (["grant", "ls", "--limit", "many"], 2),
        (["grant", "ls", "--state", "sideways"], 2),
        (["status", "-o", "xml"], 2),
        (["status", "--server", "ftp://x"], 2),
        (["status", "--server", "http://example.com"], 2),
        (["status", "--server", "https://user:pw@example.com"], 2),
        (["no-such-command"], 2),
        (["extend", "soon"], 1),
        (["end"], 1),
        (["plan", "--on", "orders-db", "-o", "sql", *PSQL], 2),
        (["plan", "--on", "postgresql://[::1", *PSQL], 2),
        (["run", "--on", "orders-db", "--why", "forbidden", *PSQL], 3),
        (["doctor"], 0),
        (["help", "no-such-topic"], 2),
    ],
)
def test_bad_input_has_its_exit_code_and_one_sentence(cli, arguments, code):
    """No traceback, no control character, at most the few lines that an error has."""
    done = cli.run(*arguments)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err + done.out
    if code:
        assert done.err.startswith("error: ")
        assert len(done.err.splitlines()) <= 4


def test_input_that_is_no_text_is_refused(cli):
    """Bytes that are not UTF-8, and NUL, and too much, never reach a request."""
    for data in (b"\xff\xfe", b"select 1\0", b"x" * 300_000):
        assert cli.run("run", "--on", "orders-db", "--", "psql", stdin=data).code == 2


def test_denials_name_the_rule_with_file_and_line(cli):
    """Three lines: what, which rule, what to type next."""
    done = cli.run("run", "--on", "orders-db", "--why", "forbidden", *PSQL)
    assert done.err.splitlines() == [
        "error: production writes need an incident ticket",
        "rule: prod-write-needs-ticket (policies/prod.cedar:14)",
        "try: add --ticket ID",
    ]


def test_errors_are_json_for_programs(cli):
    """With ``-o json`` standard error is one document with the stable code and the decision."""
    done = cli.run("run", "--on", "orders-db", "-o", "json", "--why", "forbidden", *PSQL)
    error = json.loads(done.err)["error"]
    assert (done.out, error["code"], error["exit_code"]) == ("", "policy_denied", 3)
    assert error["decision"]["findings"][0]["source"] == "policies/prod.cedar:14"


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["status"], {"server", "principal", "grants", "glass_reviews", "to_review"}),
        (["can"], {"targets"}),
        (["can", "orders-db"], {"target", "profiles"}),
        (["target", "ls"], {"targets"}),
        (["grant", "ls"], {"grants", "next"}),
        (["request", "ls"], {"requests", "next"}),
        (["plan", "--on", "orders-db", *PSQL], {"target", "plan"}),
        (["doctor"], {"findings"}),
        (["version"], {"protem"}),
    ],
)
def test_json_documents_are_versioned_and_have_the_documented_keys(cli, arguments, keys):
    """The keys are those of docs/command-line.md."""
    done = (
        cli.run(arguments[0], "-o", "json", *arguments[1:])
        if "--" in arguments
        else cli.run(*arguments, "-o", "json")
    )
    assert done.json["version"] == 1
    assert set(done.json) == {"version", *keys}


def test_pages_fit_80_columns_and_escape_what_comes_from_elsewhere(cli):
    """A planner's sentence with escapes in it does nothing to the terminal."""
    done = cli.run("plan", "--on", "orders-db", *PSQL)
    assert "\\x1b[31mred\\u202e" in done.out
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_colour_is_asked_for_or_not_there(cli):
    """``--color always`` colours a pipe; nothing else does, and never in JSON."""
    plan = ("--on", "orders-db", *PSQL)
    assert "\x1b[1m" in cli.run("plan", "--color", "always", *plan).out
    assert "\x1b" not in cli.run("plan", *plan).out
    assert "\x1b" not in cli.run("plan", "--color", "always", "-o", "json", *plan).out


def test_a_server_that_is_down_is_exit_7(tmp_path):
    """Nobody listens: exit 7, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    cli = CommandLine(home=tmp_path, server=f"http://127.0.0.1:{port}", token="x")
    done = cli.run("status")
    assert done.code == 7
    assert "does not answer" in done.err


def test_a_server_that_dies_half_way_is_exit_7(cli, plane):
    """Connections that break in the middle of an answer are not taken for one."""
    plane.drop_everything = True
    assert cli.run("run", "--on", "orders-db", *PSQL).code == 7


def test_a_lost_answer_asks_once_only(cli, plane):
    """The retry carries the same key, so one request comes of it."""
    plane.lose_answers = 2
    assert cli.run("run", "--on", "orders-db", "--ticket", "NEED-1", *PSQL).code == 5
    keys = [h["Idempotency-Key"] for _, path, _, h in plane.calls if path == "/v1/requests"]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(plane.grants) == 1


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"state": 1}', b'{"items": 3}'])
def test_a_server_that_talks_nonsense_is_an_error_with_a_sentence(tmp_path, answer):
    """Whatever comes back, there is no traceback."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
                connection.sendall(head.encode() + answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        cli = CommandLine(home=tmp_path, server=url, token="x")
        for arguments in (["status"], ["run", "--on", "orders-db", *PSQL], ["grant", "ls"]):
            done = cli.run(*arguments)
            assert done.code == 1
            assert "Traceback" not in done.err
            assert "unexpected" not in done.err
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_the_token_is_never_sent_in_clear_text_to_another_machine(cli):
    """Plain HTTP to anything but this machine is refused before a connection is made."""
    done = cli.run("status", "--server", "http://protem.example.com")
    assert done.code == 2
    assert "clear text" in done.err


def test_a_closed_pipe_is_no_traceback(cli):
    """``protem ... | head -0`` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    for arguments in (["--help"], ["help", "formatting"], ["can"]):
        process = cli.start(*arguments, stdout=writer, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (1, b"")
    os.close(writer)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(cli, shell):
    """Each shell gets a script for ``protem``."""
    assert "_PROTEM_COMPLETE" in cli.run("completion", shell).out


def test_every_command_has_a_page(cli):
    """Help of a command works with no server, and names its options."""
    for name in ("run", "plan", "psql", "extend", "end", "login", "request", "grant", "sweep"):
        done = cli.run(name, "--help")
        assert done.code == 0
        assert "--help" in done.out


def test_doctor_fails_when_something_is_critical(cli, plane):
    """Whoever runs it from a timer hears of what the server calls critical."""
    note = {"severity": "note", "subject": "orders-db", "message": "m", "next_step": None}
    plane.findings = [note]
    assert cli.run("doctor").code == 0
    plane.findings = [note, {**note, "severity": "critical", "next_step": "look"}]
    done = cli.run("doctor")
    assert (done.code, "critical orders-db: m" in done.out) == (1, True)


def test_target_check_shows_what_concerns_that_target_and_what_to_do(cli, plane):
    """Findings of other targets are left out, though their names be alike; critical fails."""
    plane.findings = [
        {
            "severity": "critical",
            "subject": f"{name}/x",
            "message": f"m of {name}",
            "next_step": "s",
        }
        for name in ("orders-db", "orders-db-2")
    ]
    done = cli.run("target", "check", "orders-db")
    assert done.code == 1
    assert "critical orders-db/x: m of orders-db\n         try: s\n" in done.out
    assert "orders-db-2" not in done.out
    plane.findings = plane.findings[1:]
    assert cli.run("target", "check", "orders-db").code == 0
