"""The listener that waits for a browser on this machine: one answer, from nobody but a browser."""

import http.client
import socket
import threading

import pytest

from protem.entrypoints.cli.browser_return import BrowserReturn


@pytest.fixture
def waiting():
    """A listener."""
    with BrowserReturn() as found:
        yield found


def waited(waiting, visits, seconds=20.0):
    """Wait in this thread while another visits; return what was brought and each status."""
    statuses = []

    def visit():
        for path, host in visits:
            there = http.client.HTTPConnection("127.0.0.1", waiting.port, timeout=10)
            there.putrequest("GET", path, skip_host=True)
            there.putheader("Host", host.format(port=waiting.port))
            there.endheaders()
            statuses.append(there.getresponse().status)
            there.close()

    visitor = threading.Thread(target=visit)
    visitor.start()
    brought = waiting.wait("BCDF-GHJK", seconds)
    visitor.join(20)
    return brought, statuses


OURS = "127.0.0.1:{port}"


@pytest.mark.parametrize(("query", "brought"), [("proof=abc", "abc"), ("proof=", "")])
def test_it_takes_what_the_browser_brings(waiting, query, brought):
    """A yes, or the word that it was a no."""
    assert waited(waiting, [(f"/signed-in?code=BCDF-GHJK&{query}", OURS)]) == (brought, [200])


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/", OURS),
        ("/signed-in", OURS),
        ("/signed-in?proof=a", OURS),
        ("/signed-in?code=&proof=a", OURS),
        ("/signed-in?code=BCDF-GHJL&proof=a", OURS),
        ("/signed-in?code=BCDF-GHJK&code=x&proof=a", OURS),
        ("/signed-in?code=BCDF-GHJK&proof=a&proof=b", OURS),
        ("/signed-in?code=BCDF-GHJK&proof=" + "x" * 2_000, OURS),
        ("/signed-in?code=BCDF-GHJK&proof=%E2%80%AE", OURS),
        ("/signed-in/?code=BCDF-GHJK&proof=a", OURS),
        ("//evil.example/signed-in?code=BCDF-GHJK&proof=a", OURS),
        ("/signed-in?code=BCDF-GHJK&proof=a", "evil.example"),
        ("/signed-in?code=BCDF-GHJK&proof=a", "localhost:{port}"),
        ("/signed-in?code=BCDF-GHJK&proof=a", "127.0.0.1"),
    ],
)
def test_other_visits_are_no_answer(waiting, path, host):
    """Another path, name or shape: not found, and it goes on waiting for the browser."""
    answer = ("/signed-in?code=BCDF-GHJK&proof=right", OURS)
    assert waited(waiting, [(path, host), answer]) == ("right", [404, 200])


def test_whoever_says_nothing_does_not_hold_it_up(waiting):
    """A connection that stays silent is given up, and the browser comes through."""
    with socket.create_connection(("127.0.0.1", waiting.port)):
        assert waited(waiting, [("/signed-in?code=BCDF-GHJK&proof=a", OURS)]) == ("a", [200])


def test_whoever_says_it_letter_by_letter_does_not_hold_it_up(waiting):
    """Nor does it make the wait longer than was said."""
    stop = threading.Event()

    def drip():
        with socket.create_connection(("127.0.0.1", waiting.port)) as there:
            while not stop.wait(0.2):
                there.sendall(b"G")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert waiting.wait("BCDF-GHJK", 1.0) is None
        assert waited(waiting, [("/signed-in?code=BCDF-GHJK&proof=a", OURS)]) == ("a", [200])
    finally:
        stop.set()
        dripping.join()


def test_nobody_comes(waiting):
    """Then it says so."""
    assert waiting.wait("BCDF-GHJK", 0.1) is None


def test_it_is_reached_from_this_machine_alone(waiting):
    """It listens on loopback, and on nothing once it is over."""
    assert waiting._http.server_address[0] == "127.0.0.1"
    port = waiting.port
    waiting.__exit__()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
