"""A small control plane on loopback that keeps to docs/api.md, for driving the real command line.

Here: one principal, one target, the life of a grant, and real roles made from the client's
verifier when a PostgreSQL is given. Not here: policy, storage, audit. What decides is in the
request: ticket ``NEED-1`` needs one approval, reason ``forbidden`` is denied.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from psycopg import sql

from protem.domain import canonical_json
from protem.domain.instants import format_instant
from protem.system.randomness import SystemRandomness
from protem.testing.postgresql_server import PostgresqlServer

ONE_TIME_TOKEN = "ptm_one-time"
SESSION_TOKEN = "ptm_session"
ADA = {"id": "local|ada", "display": "Ada", "kind": "person", "groups": ["engineers"]}
JOB = {"id": "https://ci|deploy:repo", "display": "repo", "kind": "workload", "groups": ["ci"]}
WORKLOAD_TOKEN = "header.payload.signature"
PAGE = 2
SCOPE = [
    {"kind": "database", "path": ["postgres"], "action": "CONNECT"},
    {"kind": "table", "path": ["shop", "orders"], "action": "SELECT", "parts": ["id", "status"]},
]
CAPABILITIES = {
    "refuses_new_use_at_expiry": True,
    "ends_live_use_at_expiry": False,
    "scope_is_enforced": True,
    "notes": ["logins without a password ignore the deadline"],
}
TARGET = {
    "name": "orders-db",
    "scheme": "postgresql",
    "labels": {"env": "prod", "service": "shop"},
    "profiles": {"read-only": SCOPE},
    "capabilities": CAPABILITIES,
}


class ProblemError(Exception):
    """Becomes a problem document."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"title": code, "code": code, "detail": detail, "request_id": "r-1", **more}


class LoopbackControlPlane:
    """Start it, drive the command line against ``url``, look at ``calls``, stop it."""

    def __init__(self, postgresql: PostgresqlServer | None = None) -> None:
        self.postgresql = postgresql
        self.calls: list[tuple[str, str, Any, dict[str, str]]] = []
        self.findings: list[dict[str, Any]] = []
        self.grants: dict[str, dict[str, Any]] = {}
        self.spent: set[str] = set()
        self.lose_answers = 0
        self.drop_everything = False
        self.seconds: float | None = None
        self.answers: dict[str, dict[str, Any]] = {}
        self.changed = threading.Condition()
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                plane.answer(self, "GET")

            def do_POST(self) -> None:
                plane.answer(self, "POST")

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and remove what was made."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        for grant in self.grants.values():
            if grant["state"] == "active":
                self.end(grant, "given_back")

    def answer(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        """Answer one call."""
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        parts = urlsplit(handler.path)
        query = {name: " ".join(values) for name, values in parse_qs(parts.query).items()}
        self.calls.append((method, parts.path, body, dict(handler.headers)))
        if self.drop_everything:
            handler.close_connection = True
            return
        key = handler.headers.get("Idempotency-Key")
        status, document = 200, self.answers.get(key) if key else None
        try:
            if document is None:
                document = self._route(method, parts.path, query, body, handler.headers)
                if key:
                    self.answers[key] = document
        except ProblemError as problem:
            status, document = problem.status, problem.body
        if self.lose_answers and method == "POST":
            self.lose_answers -= 1
            handler.close_connection = True
            return
        data = json.dumps(document).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(data)))
            kind = "application/problem+json" if status >= 400 else "application/json"
            handler.send_header("Content-Type", kind)
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            handler.close_connection = True

    def _route(  # noqa: C901, PLR0911, PLR0912  # a route a case
        self, method: str, path: str, query: Any, body: Any, headers: Any
    ) -> Any:
        names = [unquote(part) for part in path.split("/")[2:]]
        if names == ["sign-in", "ways"]:
            return {"providers": []}
        if names == ["sign-in"]:
            if body["token"] != ONE_TIME_TOKEN:
                raise ProblemError(401, "unauthenticated", "this token is unknown or used")
            later = format_instant(datetime.now(UTC) + timedelta(hours=8))
            return {"token": SESSION_TOKEN, "expires_at": later, "principal": ADA}
        if names == ["sign-in", "ways"]:
            return {"providers": []}
        if names == ["sign-in", "workload"]:
            if body["token"] in self.spent or not body["token"].startswith(WORKLOAD_TOKEN):
                raise ProblemError(401, "unauthenticated", "this workload token was used before")
            self.spent.add(body["token"])
            later = format_instant(datetime.now(UTC) + timedelta(hours=1))
            return {"token": SESSION_TOKEN, "expires_at": later, "principal": JOB}
        if headers.get("Authorization") != f"Bearer {SESSION_TOKEN}":
            raise ProblemError(401, "unauthenticated", "sign in first")
        match [method, *names]:
            case ["GET", "me"]:
                return ADA
            case ["GET", "targets"]:
                return {"items": [TARGET], "next": None}
            case ["GET", "targets", "orders-db"]:
                return TARGET
            case ["POST", "plans"]:
                return {
                    "scope": SCOPE,
                    "held_by_everyone": SCOPE[:1],
                    "traits": ["whole_table"] if body.get("profile") else [],
                    "findings": [{"code": "x", "message": "reads \x1b[31mred\u202e"}],
                    "statements": [body["command"]["argv"][-1]],
                    "decision": decision_on(body),
                    "capabilities": CAPABILITIES,
                    "digest": "sha256:" + "0" * 64,
                }
            case ["POST", "requests"]:
                return self._request(body)
            case ["GET", ("requests" | "grants") as listing]:
                wanted = query.get("state", "").split()
                mine = [g for g in self.grants.values() if not wanted or g["state"] in wanted]
                keep = listing == "grants" or "to_review" not in query
                return page_of(mine if keep else [], query.get("before"))
            case ["GET", "glass-reviews"]:
                return {"items": [], "next": None}
            case ["GET", "doctor"]:
                if not self.findings:
                    raise ProblemError(403, "denied", "administrators only")
                return {"findings": self.findings}
            case ["POST", "sign-out"] | ["POST", "sessions", "end"]:
                return {}
            case [_, "requests" | "grants", grant_id, *verb]:
                if grant_id not in self.grants:
                    raise ProblemError(404, "not_found", f"there is no grant {grant_id} of yours")
                return self._on_grant(self.grants[grant_id], verb, query, body)
        raise ProblemError(404, "not_found", f"there is no {path}")

    def _on_grant(  # noqa: C901  # a verb a case
        self, grant: Any, verb: list[str], query: Any, body: Any
    ) -> Any:
        match verb:
            case []:
                self._wait(grant, query)
            case ["reviews"]:
                if body["digest"] != grant["digest"]:
                    raise ProblemError(409, "conflict", "it changed since you saw it")
                grant["approvals"].append({**body, "reviewer": "local|dana"})
                self.move(grant, "approved" if body["verdict"] == "approve" else "denied")
            case ["offers"]:
                self.offer(grant, body)
            case ["accept"]:
                (taken,) = [one for one in grant["offers"] if one["digest"] == body["digest"]]
                kept = {"request": taken["request"], "digest": taken["digest"], "offers": []}
                self.move(grant, "approved", **kept)
            case ["comments"]:
                said = {"number": 1, "author": "local|dana", "text": body["text"]}
                self.move(grant, grant["state"], comments=[said])
            case ["cancel"]:
                self.move(grant, "cancelled")
            case ["activate"]:
                if grant["state"] != "approved":
                    raise ProblemError(409, "conflict", f"it is {grant['state']}")
                self.activate(grant, body["public_half"])
            case ["extend"]:
                at = datetime.fromisoformat(grant["expires_at"])
                later = at + timedelta(seconds=body["by_seconds"])
                self.move(grant, "active", expires_at=format_instant(later))
            case ["end"]:
                self.end(grant, "given_back")
        return grant

    def _wait(self, grant: Any, query: Any) -> None:
        seen, end = (
            int(query.get("after_version", 0)),
            time.monotonic() + float(query.get("wait", 0)),
        )
        with self.changed:
            while grant["version"] <= seen and (left := end - time.monotonic()) > 0:
                self.changed.wait(left)

    def _request(self, body: Any) -> Any:
        decision = decision_on(body)
        if decision["outcome"] == "denied":
            raise ProblemError(
                403,
                "policy_denied",
                "production writes need an incident ticket",
                next_step="add --ticket ID",
                decision=decision,
            )
        now = datetime.now(UTC)
        grant_id = str(SystemRandomness().grant_id(now))
        request = {
            "format": "protem.dev/request/v1",
            "id": grant_id,
            "revision": 1,
            "principal": ADA["id"],
            "target": body["target"],
            "profile": body.get("profile"),
            "command": body["command"],
            "scope": SCOPE,
            "traits": ["writes"],
            "findings": [],
            "duration_seconds": body["duration_seconds"],
            "reason": body.get("reason", ""),
            "ticket": body.get("ticket", ""),
        }
        grant = {
            "id": grant_id,
            "version": 1,
            "state": "pending",
            "revision": 1,
            "proposed_revision": None,
            "principal": ADA["id"],
            "target": body["target"],
            "duration_seconds": body["duration_seconds"],
            "requested_at": format_instant(now),
            "lapses_at": format_instant(now + timedelta(hours=8)),
            "expires_at": None,
            "end_cause": None,
            "last_error": "",
            "login": None,
            "request": request,
            "digest": canonical_json.digest(request),
            "decision": decision,
            "approvals": [],
            "proposed": None,
        }
        self.grants[grant_id] = grant
        if decision["outcome"] == "allowed":
            self.activate(grant, body["public_half"])
        return grant

    def activate(self, grant: Any, public_half: Any) -> None:
        """Make a real role of the verifier, when there is a server to make it at."""
        assert public_half["form"] == "scram-sha-256"
        name = f"protem_{grant['id']}"
        length = self.seconds or grant["duration_seconds"]
        expires = datetime.now(UTC) + timedelta(seconds=length)
        port = "1"
        if self.postgresql is not None:
            port = str(self.postgresql.port)
            make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}; GRANT shop_reader TO {}")
            with self._administrator() as connection:
                connection.execute(
                    make.format(
                        sql.Identifier(name),
                        sql.Literal(public_half["value"]),
                        sql.Identifier(name),
                    )
                )
        login = {"host": "127.0.0.1", "port": port, "dbname": "postgres", "user": name}
        self.move(grant, "active", expires_at=format_instant(expires), login=login)

    def end(self, grant: Any, cause: str) -> None:
        """Cut and remove; the role is really gone afterwards. Harmless twice."""
        name = f"protem_{grant['id']}"
        with self.changed:
            live = grant["state"] == "active"
            if live:
                self.move(grant, "ending", end_cause=cause)
        if not live:
            return
        if self.postgresql is not None:
            with self._administrator() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
                    "WHERE usename = %s",
                    (name,),
                )
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
        self.move(grant, "ended")

    def move(self, grant: Any, state: str, **changes: Any) -> None:
        """Change a grant and wake those who wait for it."""
        with self.changed:
            grant.update(changes, state=state, version=grant["version"] + 1)
            self.changed.notify_all()

    def offer(self, grant: Any, body: Any, *, command: Any = None) -> None:
        """Offer less than was asked."""
        scope = [row for row in grant["request"]["scope"] if row not in (body["without"] or [])]
        seconds = body.get("duration_seconds", grant["request"]["duration_seconds"])
        asked = grant["request"] | {"revision": 2, "scope": scope, "duration_seconds": seconds}
        if command is not None:
            asked["command"] = command
        digest = canonical_json.digest(asked)
        made = {"by": "local|omar", "digest": digest, "request": asked, "comment": ""}
        self.move(grant, grant["state"], offers=[*grant.get("offers", []), made])

    def only_grant(self, seconds: float = 10) -> dict[str, Any]:
        """Return the first grant once there is one."""
        end = time.monotonic() + seconds
        while not self.grants and time.monotonic() < end:
            time.sleep(0.02)
        return next(iter(self.grants.values()))

    def _administrator(self) -> psycopg.Connection[Any]:
        assert self.postgresql is not None
        return psycopg.connect(self.postgresql.dsn(), autocommit=True)


def page_of(grants: list[Any], before: str | None) -> dict[str, Any]:
    """Return the newest of what is older than ``before``; pages are short, so that they matter."""
    older = sorted((g for g in grants if before is None or g["id"] < before), key=itemgetter("id"))
    items = older[::-1][:PAGE]
    return {"items": items, "next": items[-1]["id"] if len(older) > PAGE else None}


def decision_on(body: Any) -> dict[str, Any]:
    """Return what this control plane's only rules say."""
    outcome, findings, approvals = "allowed", [], []
    if body.get("ticket") == "NEED-1":
        outcome = "needs_approval"
        approvals = [{"count": 1, "groups": ["db-owners"], "rule": "prod-needs-owner"}]
    if body.get("reason") == "forbidden":
        outcome = "denied"
        findings = [
            {
                "rule": "prod-write-needs-ticket",
                "source": "policies/prod.cedar:14",
                "status": "unsatisfied",
                "message": "production writes need an incident ticket",
                "next_step": "--ticket ID",
            }
        ]
    return {
        "outcome": outcome,
        "findings": findings,
        "approvals": approvals,
        "longest_seconds": None,
        "policy_digest": "",
    }
