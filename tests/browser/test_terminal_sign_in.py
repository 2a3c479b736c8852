"""A terminal is signed in from the browser of its own machine, with one click and nothing typed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from tests.integration.control_plane_in_memory import local

from protem.domain.proved_people import ProvedPerson
from protem.services.sign_in import SignInRules
from protem.testing.in_memory_sign_in import InMemorySignIn

IMPORT_PATH = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)


@pytest.fixture
def terminal(tmp_path, web):
    """Run ``protem login`` in a terminal whose browser notes where it was sent; end it after."""
    person = ProvedPerson(id=local("ada"), display="Ada", provider="staff")
    web.stage.plane.sign_in["staff"] = (InMemorySignIn(person), SignInRules())
    noted, opener = tmp_path / "address", tmp_path / "browser"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {noted}.new && mv {noted}.new {noted}\n')
    opener.chmod(0o700)
    ours, theirs = pty.openpty()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": IMPORT_PATH,
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "DISPLAY": ":none",
        "BROWSER": str(opener),
        "TERM": "xterm",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "protem", "login", "--server", web.address],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    yield process, noted, ours
    process.kill()
    process.wait()
    os.close(ours)


def sent_to(noted):
    """Wait until the browser was opened; return where."""
    deadline = time.monotonic() + 20
    while not noted.exists():
        assert time.monotonic() < deadline, "no browser was opened"
        time.sleep(0.05)
    return noted.read_text()


def all_it_said(ours):
    """Return everything on the terminal."""
    said = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed: that is its end of file
            return said.decode()
        if not part:
            return said.decode()
        said += part


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_one_click_signs_the_terminal_in(terminal, page_of, scripts):
    """The browser goes back to the terminal by itself, whose session is as good as its own."""
    process, noted, ours = terminal
    page = page_of("ada", java_script_enabled=scripts)
    page.goto(sent_to(noted))
    assert "A terminal on this computer asks" in page.inner_text("main")
    page.get_by_role("button", name="sign it in").click()
    page.get_by_text("Your terminal goes on.").wait_for()
    assert page.url.startswith("http://127.0.0.1:")
    assert process.wait(20) == 0
    said = all_it_said(ours)
    assert " as ada; the session ends" in said
    assert page.url.partition("proof=")[2] not in said
    assert page.wrong == []


def test_a_refusal_ends_the_wait(terminal, page_of):
    """The terminal says so at once and has nothing."""
    process, noted, ours = terminal
    page = page_of("ada")
    page.goto(sent_to(noted))
    page.get_by_role("button", name="Refuse").click()
    page.get_by_text("Your terminal goes on.").wait_for()
    assert process.wait(20) == 3
    assert "refused in the browser" in all_it_said(ours)


def test_a_word_that_the_browser_never_said_signs_nobody_in(terminal):
    """A page that tries ports is no answer; who knows the code and guesses comes in as nobody."""
    process, noted, ours = terminal
    code = sent_to(noted).partition("code=")[2]
    for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes_of(process.pid):
            port = int(fields[1].partition(":")[2], 16)
    there = f"http://127.0.0.1:{port}/signed-in"
    assert httpx2.get(there, params={"proof": "guess"}).status_code == 404
    assert process.poll() is None
    assert httpx2.get(there, params={"code": code, "proof": "guess"}).status_code == 200
    assert process.wait(20) != 0
    assert "Signed in" not in all_it_said(ours)


def inodes_of(pid):
    """Return the sockets that a process holds."""
    links = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}
