"""The edge of the application: what happens to every request before and after its handler.

Here: request ids, body bounds, security headers, the access log, request figures. Not here: who is
calling (serving) and errors (problem_responses).

Invariants: a body over its bound is refused before it is kept; the log holds no query value, no
header and no body; a caller's request id is taken over only when it is harmless.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protem.entrypoints.http_api.metrics import Metrics
from protem.entrypoints.http_api.problem_responses import (
    TooLargeError,
    problem_of,
    problem_response,
)

MOST_BODY_BYTES = 1_048_576
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = (  # unless the response brings its own, as pages and event streams do
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_log = structlog.stdlib.get_logger("protem.access")


class RequestBoundary:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send)
        started = time.perf_counter()
        try:
            if visit.declares_too_much():
                await visit.refuse_body()
            else:
                await self._app(scope, visit.receive, visit.send)
        except TooLargeError:
            await visit.refuse_body()
        finally:
            self._account(scope, visit, time.perf_counter() - started)

    def _account(self, scope: Scope, visit: _Visit, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(scope["method"][:16], route, str(visit.status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        _log.info(
            "request",
            request_id=scope["protem.request_id"],
            method=scope["method"],
            route=route,
            status=visit.status,
            milliseconds=round(seconds * 1000, 2),
            principal=scope.get("protem.principal"),
        )


class _Visit:
    """One request on its way in and out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._got = 0
        self.status = 0
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        self._length = headers.get(b"content-length", b"0")
        taken = _REQUEST_ID.fullmatch(given) is not None
        self._id = given if taken else secrets.token_hex(8).encode()
        scope["protem.request_id"] = self._id.decode()

    def declares_too_much(self) -> bool:
        return not self._length.isdigit() or int(self._length) > MOST_BODY_BYTES

    async def refuse_body(self) -> None:
        if self.status:
            return
        status, document = problem_of(TooLargeError(f"a body has at most {MOST_BODY_BYTES} bytes"))
        response = problem_response(status, document, self._id.decode())
        response.headers["connection"] = "close"
        await response(self._scope, self._receive, self.send)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._got += len(message.get("body", b""))
            if self._got > MOST_BODY_BYTES:
                raise TooLargeError("the body is over its bound")
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name for name, _ in message.get("headers", ())}
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self._id),
                *(pair for pair in _HEADERS if pair[0] not in own),
            ]
        await self._send(message)
