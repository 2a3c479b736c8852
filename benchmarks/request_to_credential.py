"""Whole requests over HTTP: from asking to a usable PostgreSQL credential, auto-approved.

Ours: ``POST /v1/requests?wait=5`` with a SCRAM verifier, against a real control plane (SQLite,
FULL, audit log on disk) and a real PostgreSQL; answered when the role exists. Peers, interleaved
in the same run on the same PostgreSQL:

- the bare SQL that makes the same role, one round trip on an open connection, plus the HTTP round
  trip of an empty route of ours (goal: at most 1.5 times that sum's SQL part, see ``report``);
- OpenBao's database engine with its file audit device on, ``GET /v1/database/creds/read``.

Bounded: ROUNDS rounds of CALLS calls with one client, then BURST calls by CLIENTS clients.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.entrypoints.demo import stage as demo_stage

ROUNDS = 5
CALLS = 60
CLIENTS = 16
BURST = 480
SQL = "select id, status from shop.orders where customer_id = 7"
VERIFIER = scram_verifier(Secret("a-password-that-is-never-used"), b"0123456789abcdef", 1)


class Caller:
    """One keep-alive HTTP connection."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"Content-Type": "application/json", **headers}

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Send one request and return the JSON answer; anything but 2xx ends the benchmark."""
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else {}


def ask(caller: Caller) -> str:
    """One whole request of ours; return the grant's id."""
    grant = caller.call(
        "POST",
        "/v1/requests?wait=5",
        {
            "target": "orders-db",
            "command": {"argv": ["psql", "-c", SQL], "inputs": {}},
            "duration_seconds": 900,
            "reason": "benchmark",
            "ticket": "BENCH-1",
            "public_half": {"form": "scram-sha-256", "value": VERIFIER},
        },
    )
    if grant["state"] != "active":
        sys.exit(f"not active: {grant}")
    return str(grant["id"])


def timed(work: Callable[[], object], calls: int) -> float:
    """Return the median seconds of one call."""
    took = []
    for _ in range(calls):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def rate(make: Callable[[], Callable[[], object]], clients: int, calls: int) -> float:
    """Return calls per second of ``clients`` threads, each with a connection of its own."""
    share = calls // clients

    def client(work: Callable[[], object]) -> None:
        for _ in range(share):
            work()

    workers = [make() for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        list(pool.map(client, workers))
        return clients * share / (time.perf_counter() - start)


@contextmanager
def openbao(folder: Path, database_port: int, administrator: tuple[str, str]) -> Iterator[int]:
    """Run OpenBao with its audit file on and the database engine set up; yield its port."""
    port = demo_stage.free_port()
    (folder / "audit.hcl").write_text(
        f'audit "file" "main" {{ options {{ file_path = "{folder}/bao-audit.log" }} }}\n'
    )
    process = subprocess.Popen(
        [
            "bao", "server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token",
            f"-dev-listen-address=127.0.0.1:{port}", f"-config={folder}/audit.hcl",
        ],  # fmt: skip
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        caller = wait_for_openbao(port, process)
        user, password = administrator
        caller.call("POST", "/v1/sys/mounts/database", {"type": "database"})
        caller.call(
            "POST",
            "/v1/database/config/shop",
            {
                "plugin_name": "postgresql-database-plugin",
                "allowed_roles": "read",
                "connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:"
                f"{database_port}/shop?sslmode=disable",
                "username": user,
                "password": password,
                "password_authentication": "scram-sha-256",
                "max_open_connections": 16,
            },
        )
        caller.call(
            "POST",
            "/v1/database/roles/read",
            {
                "db_name": "shop",
                "creation_statements": [
                    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' "
                    "VALID UNTIL '{{expiration}}' IN ROLE bench_scope;"
                ],
                "default_ttl": "15m",
            },
        )
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def wait_for_openbao(port: int, process: subprocess.Popen[bytes]) -> Caller:
    """Return a caller once OpenBao answers."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            caller = Caller(port, {"X-Vault-Token": "root"})
            caller.call("GET", "/v1/sys/health")
        except OSError:
            time.sleep(0.1)
        else:
            return caller
    sys.exit("OpenBao did not start")


def bare_sql(connection: psycopg.Connection, names: Iterator[int]) -> None:
    """Make the same role by hand: one round trip."""
    name = f"bench_{next(names):012d}"
    connection.execute(
        f"BEGIN; CREATE ROLE {name} LOGIN PASSWORD '{VERIFIER}' CONNECTION LIMIT 5 "
        f"VALID UNTIL '2099-01-01' IN ROLE bench_scope; "
        f"COMMENT ON ROLE {name} IS 'a comment of about the length of ours'; COMMIT"
    )
