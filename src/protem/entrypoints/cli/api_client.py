"""The one way from the command line to the server.

Here: which server and which token (flag, environment, file), calls with safe retries, events, and
the translation of problem documents into errors. Not here: what any call means.

Invariants: the token goes over TLS or to this machine only; redirects are not followed; every
write carries an idempotency key, so that a retry after a lost answer does nothing twice; nothing
is retried but lost connections.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from protem import __version__
from protem.domain.web_addresses import is_this_machine
from protem.entrypoints.cli import client_state, workload_token
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import current

if TYPE_CHECKING:
    import httpx2

TRIES = 4
FIRST_PAUSE_SECONDS = 0.1
ANSWER_WITHIN_SECONDS = 15.0
CONNECT_WITHIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event of the stream; ``id`` is the index in the audit log."""

    id: str
    kind: str
    data: Any


def connect(*, signed_in: bool = True) -> ApiClient:
    """Return a client for the chosen server.

    Args:
        signed_in: whether the calls to come need a token.

    Raises:
        CommandFailedError: no server is known, its URL is unusable, or nobody is signed in.
    """
    server = chosen_server()
    token = os.environ.get("PROTEM_TOKEN") or _ambient_session(server)
    token = token or client_state.token_for(server)
    if signed_in and not token:
        raise CommandFailedError(
            f"not signed in to {server}",
            error_code="unauthenticated",
            next_step=f"protem login --server {server}",
        )
    return ApiClient(server, token)


def sign_in_workload(server: str, token: str) -> dict[str, Any]:
    """Exchange a workload's token for a session, which is kept for the next command.

    Raises:
        CommandFailedError: the server does not take the token.
    """
    with ApiClient(server, None) as client:
        answer = object_of(client.post("/v1/sign-in/workload", {"token": token}))
    session = answer.get("token")
    if not isinstance(session, str) or not session:
        raise CommandFailedError("the server's answer holds no token; are versions compatible?")
    workload_token.keep_session(server, token, session, answer.get("expires_at"))
    return answer


def _ambient_session(server: str) -> str | None:
    """Return the session of the workload that this process is part of, if it is one."""
    path = os.environ.get(workload_token.VARIABLE)
    if not path:
        return None
    token = workload_token.read_token(Path(path))
    kept = workload_token.kept_session(server, token)
    return kept or str(sign_in_workload(server, token)["token"])


def chosen_server() -> str:
    """Return the server's URL: ``--server``, PROTEM_SERVER, the file, then the last sign-in."""
    found = (
        current().server
        or os.environ.get("PROTEM_SERVER")
        or client_state.configured_server()
        or client_state.last_server()
    )
    if not found:
        raise CommandFailedError(
            "no server is known",
            error_code="unauthenticated",
            next_step="protem login --server URL",
        )
    return checked_url(found)


def checked_url(url: str) -> str:
    """Return ``url`` without a trailing slash.

    Raises:
        CommandFailedError: unless it is https, or http to this very machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or parts.username or parts.query:
        raise CommandFailedError(
            f"{ascii(url)[:80]} is not a server's URL",
            error_code="usage",
            next_step="write it as https://protem.example.com",
        )
    if parts.scheme == "http" and not is_this_machine(host):
        raise CommandFailedError(
            f"{url} would carry your token in clear text", error_code="usage", next_step="use https"
        )
    return url.rstrip("/")


def path_of(*parts: str) -> str:
    """Return a path under ``/v1`` whose parts are quoted: a hostile name stays one part."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


class ApiClient:
    """Calls of one server; use it as a context manager, from one thread."""

    def __init__(self, server: str, token: str | None) -> None:
        self.server = server
        self._token = token
        self._http: httpx2.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; a later call opens another."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def another(self) -> ApiClient:
        """Return a client of the same server for another thread."""
        return ApiClient(self.server, self._token)

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, wait: float = 0) -> Any:
        """Return the answer to a read; ``wait`` is how long the server may hold it, in seconds."""
        return self._call("GET", path, query=_with_wait(query, wait), wait=wait)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        *,
        wait: float = 0,
    ) -> Any:
        """Return the answer to a write, made at most once whatever happens on the way."""
        return self._call("POST", path, query=_with_wait(query, wait), body=body or {}, wait=wait)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to a replacement, made at most once."""
        return self._call("PUT", path, query={}, body=body, wait=0)

    def delete(self, path: str) -> Any:
        """Return the answer to a removal; a repeat after a lost answer is a conflict."""
        return self._call("DELETE", path, query={}, wait=0)

    def stream_events(self, after: str | None = None) -> Iterator[ServerEvent]:
        """Yield events as they happen, from after the event ``after``; ends with the stream.

        Raises:
            CommandFailedError: as for any call; also when the connection is lost.
        """
        import httpx2  # costs 90 ms; only commands that talk pay it

        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        try:
            with self._client().stream(
                "GET", "/v1/events", headers=headers, timeout=httpx2.Timeout(5.0, read=None)
            ) as response:
                if response.is_error:
                    response.read()
                    raise _problem(response, self.server)
                for event in httpx2.EventSource(response):
                    yield ServerEvent(id=event.id, kind=event.event, data=_json_or_text(event.data))
        except httpx2.TransportError as error:
            raise _unreachable(self.server, error) from error

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        wait: float,
    ) -> Any:
        import httpx2  # as above

        headers = {} if body is None else {"Idempotency-Key": secrets.token_hex(16)}
        for left in reversed(range(TRIES)):
            try:
                response = self._client().request(
                    method,
                    path,
                    params=query,
                    json=body,
                    headers=headers,
                    timeout=httpx2.Timeout(
                        ANSWER_WITHIN_SECONDS + wait, connect=CONNECT_WITHIN_SECONDS
                    ),
                )
                break
            except httpx2.TransportError as error:
                if not left:
                    raise _unreachable(self.server, error) from error
                time.sleep(FIRST_PAUSE_SECONDS * 2 ** (TRIES - 1 - left))
        if not response.is_success:
            raise _problem(response, self.server)
        return _body(response, self.server)

    def _client(self) -> httpx2.Client:
        if self._http is None:
            import httpx2  # as above

            headers = {"User-Agent": f"protem/{__version__}", "Accept": "application/json"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            local = is_this_machine(urlsplit(self.server).hostname or "")
            self._http = httpx2.Client(
                base_url=self.server, headers=headers, trust_env=not local, follow_redirects=False
            )
        return self._http


def items_of(answer: Any) -> list[dict[str, Any]]:
    """Return the items of a listing."""
    found = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise CommandFailedError("the server's answer is not a list; are versions compatible?")
    return [item for item in found if isinstance(item, dict)]


def object_of(answer: Any) -> dict[str, Any]:
    """Return the answer if it is an object."""
    if not isinstance(answer, dict):
        raise CommandFailedError("the server's answer is not an object; are versions compatible?")
    return answer


def _with_wait(query: Mapping[str, Any] | None, wait: float) -> dict[str, Any]:
    return {**(query or {}), **({"wait": int(wait)} if wait else {})}


def _body(response: httpx2.Response, server: str) -> Any:
    if response.status_code == 204 or not response.content:  # noqa: PLR2004  # no content
        return {}
    if response.headers.get("content-type", "").startswith("text/plain"):
        return response.text
    try:
        return response.json()
    except ValueError as error:
        raise CommandFailedError(f"{server} does not speak JSON; is it a Protem server?") from error


def _problem(response: httpx2.Response, server: str) -> CommandFailedError:
    """Translate a problem document; anything else is still an error with a sentence."""
    try:
        found = response.json()
    except ValueError:
        found = None
    problem = found if isinstance(found, dict) else {}
    code = problem.get("code")
    if not isinstance(code, str):
        code = {401: "unauthenticated", 403: "denied"}.get(response.status_code, "error")
    message = problem.get("detail") or problem.get("title")
    next_step = problem.get("next_step")
    if code == "unauthenticated" and not next_step:
        next_step = f"protem login --server {server}"
    decision = problem.get("decision")
    return CommandFailedError(
        str(message or f"{server} answered {response.status_code}"),
        error_code=code,
        next_step=str(next_step) if next_step else None,
        decision=decision if isinstance(decision, dict) else None,
        request_id=str(problem["request_id"]) if problem.get("request_id") else None,
    )


def _unreachable(server: str, error: Exception) -> CommandFailedError:
    return CommandFailedError(
        f"{server} does not answer ({type(error).__name__}: {error})",
        error_code="unreachable",
        next_step="check the URL and the network; `protem status` tries again",
    )


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
