"""Signing in as a workload, and out everywhere."""

from __future__ import annotations

import stat

import pytest
from tests.acceptance.cli.command_line_driver import CommandLine
from tests.acceptance.cli.loopback_control_plane import (
    ONE_TIME_TOKEN,
    SESSION_TOKEN,
    WORKLOAD_TOKEN,
)


def sign_ins(plane):
    """How often a workload's token was shown to the server."""
    return [body["token"] for _, path, body, _ in plane.calls if path == "/v1/sign-in/workload"]


@pytest.fixture
def token_file(tmp_path):
    """A file in which a platform wrote a token."""
    file = tmp_path / "token"
    file.write_text(WORKLOAD_TOKEN + "\n", encoding="ascii")
    return file


def test_a_workload_signs_in_with_its_token(tmp_path, plane, token_file):
    """The session is kept like anybody's; neither token is shown."""
    cli = CommandLine(home=tmp_path)
    done = cli.run("login", "--server", plane.url, "--workload-token-file", str(token_file))
    assert done.code == 0, done.err
    assert "as https://ci|deploy:repo" in done.err
    assert not {SESSION_TOKEN, WORKLOAD_TOKEN} & set((done.out + done.err).split())
    assert cli.run("status").code == 0


def test_a_job_needs_no_login_and_shows_its_token_once(tmp_path, plane, token_file):
    """The session is kept, privately, for as long as the file holds the very token it came of."""
    cli = CommandLine(home=tmp_path, server=plane.url, workload_token_file=token_file)
    for _ in range(2):
        assert cli.run("status").code == 0
    assert sign_ins(plane) == [WORKLOAD_TOKEN]
    kept = tmp_path / "state" / "protem" / "workload-sessions.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert WORKLOAD_TOKEN not in kept.read_text(encoding="utf-8")
    token_file.write_text(f"{WORKLOAD_TOKEN}-2", encoding="ascii")
    assert cli.run("status").code == 0
    assert sign_ins(plane) == [WORKLOAD_TOKEN, f"{WORKLOAD_TOKEN}-2"]


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b"x" * 70_000, b"two\nlines", b"header.other"]
)
def test_a_token_file_that_is_none_means_sign_in(tmp_path, plane, token_file, content):
    """Absent, empty, no text, too long, not a line, not taken: exit 4 and one sentence."""
    if content is None:
        token_file.unlink()
    else:
        token_file.write_bytes(content)
    cli = CommandLine(home=tmp_path, server=plane.url, workload_token_file=token_file)
    done = cli.run("grant", "ls")
    assert done.code == 4, done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_logout_can_end_every_session(tmp_path, plane):
    """With ``--all`` the server is told to end all of them."""
    cli = CommandLine(home=tmp_path)
    cli.run("login", "--server", plane.url, "--token-stdin", stdin=ONE_TIME_TOKEN)
    done = cli.run("logout", "--all")
    assert done.code == 0
    assert "everywhere" in done.err
    assert [path for _, path, *_ in plane.calls][-1] == "/v1/sessions/end"
    assert cli.run("status").code == 4
