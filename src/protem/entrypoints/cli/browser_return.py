"""Waiting on this very machine for a browser to bring what signs this terminal in (RFC 8252, 7.3).

Here: one small listener on loopback for one visit. Not here: what is done with what it brings.

Invariants: it listens on 127.0.0.1 alone, under a port of the system's choosing; it takes one
answer, at one path, called by its own address (so no other site's name leads here) and with the
code that the terminal shows (so no page that tries ports ends the wait), and closes; whoever
connects and says nothing, or little by little, holds up nobody.
"""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

_PATH = "/signed-in"
_PATIENCE_SECONDS = 2
_LOOK_EVERY_SECONDS = 0.5
_MOST_PROOF = 1_024
_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Protem</title>
<link rel="icon" href="data:,">
<p>Your terminal goes on. You can close this page.</p>"""


class BrowserReturn:
    """The listener; a context manager."""

    def __init__(self) -> None:
        self._brought: str | None = None
        self._code = ""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._visit())
        self._http.daemon_threads, self._http.block_on_close = True, False
        self._http.timeout = _LOOK_EVERY_SECONDS

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    def wait(self, code: str, seconds: float) -> str | None:
        """Return what the browser brought, "" when it was told no; None when nobody came.

        Args:
            code: what the terminal shows; the browser brings it along.
            seconds: the most to wait.
        """
        self._code = code
        deadline = time.monotonic() + seconds
        while self._brought is None and time.monotonic() < deadline:
            self._http.handle_request()
        return self._brought

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.server_close()

    def _visit(self) -> type[BaseHTTPRequestHandler]:
        waiting = self

        class Visit(BaseHTTPRequestHandler):
            timeout = _PATIENCE_SECONDS
            server_version, sys_version = "protem", ""

            def log_message(self, *_: object) -> None:
                """Say nothing: the address holds what signs in."""

            def do_GET(self) -> None:
                """Take the answer, if this is it."""
                proof = waiting.answer_in(self.path, self.headers.get("Host", ""))
                self.send_response(404 if proof is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                if proof is not None:
                    waiting.take(proof)
                    self.wfile.write(_PAGE)

        return Visit

    def answer_in(self, path: str, host: str) -> str | None:
        """Return the answer that a visit brings; None when it is none."""
        parts = urlsplit(path)
        if parts.path != _PATH or host != f"127.0.0.1:{self.port}":
            return None
        query = parse_qs(parts.query, keep_blank_values=True)
        found = query.get("proof", [])
        if not self._code or query.get("code") != [self._code] or len(found) != 1:
            return None
        return found[0] if len(found[0]) <= _MOST_PROOF and found[0].isascii() else None

    def take(self, proof: str) -> None:
        """Keep the first answer."""
        if self._brought is None:
            self._brought = proof
