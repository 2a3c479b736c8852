"""Whole requests over HTTP: from asking to a usable PostgreSQL credential, auto-approved.

Ours: ``POST /v1/requests?wait=5`` with a SCRAM verifier, against a real control plane (SQLite,
FULL, audit log on disk) and a real PostgreSQL that syncs; answered when the role exists. Peers, in
turn in the same run on the same PostgreSQL:

- the bare SQL that makes the same role, one round trip on an open connection. What the HTTP round
  trip of an empty route of ours takes is first taken off our time.
- OpenBao's database engine with its file audit device on, ``GET /v1/database/creds/read``. Its
  statement puts the role into a scope role that is there already, which is equal in effect to ours.
  OpenBao makes the password and hashes it on the server, with 4,096 iterations that PostgreSQL
  repeats; ours comes hashed from the client, with one. OpenBao keeps its state in memory here, ours
  reaches the disk.

Bounded: ROUNDS rounds of CALLS calls with one client and BURST calls by CLIENTS clients. What a
round made is ended before the next one, outside the timing.
"""

from __future__ import annotations

import json
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from measuring import figure

from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.entrypoints.demo.stage import Stage, built, free_port

ROUNDS = 3
CALLS = 60
CLIENTS = 16
BURST = 320
WARM_UP = 15
SQL = "select id, status from shop.orders where customer_id = 7"
VERIFIER = scram_verifier(Secret("a-password-that-is-never-used"), b"0123456789abcdef", 1)
"""One iteration, as our client sends it: more add nothing to a password of 192 random bits."""
ASK = {
    "target": "orders-db",
    "command": {"argv": ["psql", "-c", SQL], "inputs": {}},
    "duration_seconds": 900,
    "reason": "benchmark",
    "ticket": "BENCH-1",
    "public_half": {"form": "scram-sha-256", "value": VERIFIER},
}


class Caller:
    """One keep-alive HTTP connection over a bare socket, so that the client takes little time."""

    def __init__(self, port: int, header: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._header = header

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """Return a request as it goes over the wire."""
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._header}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def send(self, request: bytes) -> bytes:
        """Return the body of the answer; anything but 2xx ends the benchmark."""
        self._socket.sendall(request)
        answer = self._more()
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head, body = answer[:end].lower(), answer[end + 4 :]
        if not head.startswith(b"http/1.1 2"):
            sys.exit(f"{request[:60]!r}: {answer[:400]!r}")
        if b"content-length: " not in head:
            return body
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._more()
        return body

    def _more(self) -> bytes:
        return self._socket.recv(65536) or sys.exit("the server hung up")

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Send one request and return the JSON answer."""
        text = self.send(self.request(method, path, body))
        return json.loads(text) if text else {}


class Protem:
    """Our peer: asks, remembers which grants it got, gives them back."""

    def __init__(self, stage: Stage) -> None:
        self._port = int(stage.server.url.rpartition(":")[2])
        state = Path(stage.people["dana"].environment["XDG_STATE_HOME"])
        signed_in = json.loads((state / "protem" / "sign-in.json").read_text())
        self._header = f"Authorization: Bearer {signed_in['tokens'][stage.server.url]}"
        self._got: list[str] = []

    def caller(self) -> Caller:
        """Return a new connection."""
        return Caller(self._port, self._header)

    def client(self) -> Callable[[], object]:
        """Return what one client does, on a connection of its own."""
        caller = self.caller()
        request = caller.request("POST", "/v1/requests?wait=5", ASK)

        def ask() -> None:
            answer = caller.send(request)
            if b'"state":"active"' not in answer.replace(b" ", b""):
                sys.exit(f"not active: {answer!r}")
            self._got.append(json.loads(answer)["id"])

        return ask

    def clean(self) -> None:
        """Give everything back, and wait until it is gone."""
        caller = self.caller()
        for grant_id in self._got:
            caller.call("POST", f"/v1/grants/{grant_id}/end")
        for grant_id in self._got:
            caller.call("POST", f"/v1/grants/{grant_id}/end?wait=30")
        self._got.clear()

    def empty(self) -> Callable[[], object]:
        """Return one call of a route that does nothing."""
        caller = self.caller()
        request = caller.request("GET", "/healthz")
        return lambda: caller.send(request)


class OpenBao:
    """The peer with a server: its database engine, set up for the same effect."""

    def __init__(self, port: int) -> None:
        self._port = port

    def caller(self) -> Caller:
        """Return a new connection."""
        return Caller(self._port, "X-Vault-Token: root")

    def client(self) -> Callable[[], object]:
        """Return what one client does, on a connection of its own."""
        caller = self.caller()
        request = caller.request("GET", "/v1/database/creds/read")
        return lambda: caller.send(request)

    def clean(self) -> None:
        """Revoke every lease."""
        self.caller().call("PUT", "/v1/sys/leases/revoke-prefix/database/creds/read", {})

    def set_up(self, database_url: str, user: str, password: str) -> None:
        """Mount and configure the database engine."""
        caller = self.caller()
        caller.call("POST", "/v1/sys/mounts/database", {"type": "database"})
        address = database_url.rpartition("@")[2]
        shop = {
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "read",
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}",
            "username": user,
            "password": password,
            "password_authentication": "scram-sha-256",
            "max_open_connections": CLIENTS,
            "max_idle_connections": CLIENTS,
        }
        caller.call("POST", "/v1/database/config/shop", shop)
        create = (
            "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' "
            "VALID UNTIL '{{expiration}}' IN ROLE bench_scope;"
        )
        read = {"db_name": "shop", "creation_statements": [create], "default_ttl": "15m"}
        caller.call("POST", "/v1/database/roles/read", read)


@contextmanager
def openbao(folder: Path) -> Iterator[OpenBao]:
    """Run OpenBao with its audit file on."""
    port = free_port()
    audit = folder / "audit.hcl"
    audit.write_text(
        f'audit "file" "main" {{ options {{ file_path = "{folder}/bao-audit.log" }} }}\n'
    )
    process = subprocess.Popen(
        [
            "bao",
            "server",
            "-dev",
            "-dev-root-token-id=root",
            "-dev-no-store-token",
            f"-dev-listen-address=127.0.0.1:{port}",
            f"-config={audit}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        bao = OpenBao(port)
        deadline = time.monotonic() + 20
        while True:
            try:
                bao.caller().call("GET", "/v1/sys/health")
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    sys.exit("OpenBao did not start")
                time.sleep(0.1)
            else:
                break
        yield bao
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


class BareSql:
    """The peer without a server: one message that makes the same role."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        self._connection.execute("DROP ROLE IF EXISTS bench_scope; CREATE ROLE bench_scope NOLOGIN")
        self._numbers = count()
        self._made: list[str] = []

    def make(self) -> None:
        """Make one role."""
        name = f"bench_{next(self._numbers):012d}"
        self._made.append(name)
        self._connection.execute(
            f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 10 VALID UNTIL '2099-01-01'"
            f" PASSWORD '{VERIFIER}' IN ROLE bench_scope;"
            f"COMMENT ON ROLE {name} IS 'a mark of about the length of ours, which says whose it is"
            " and until when, in the form that the sweep reads'"
        )

    def clean(self) -> None:
        """Drop what was made."""
        for name in self._made:
            self._connection.execute(f"DROP ROLE {name}")
        self._made.clear()


def median_of(work: Callable[[], object], calls: int) -> float:
    """Return the median seconds of one call."""
    took = []
    for _ in range(calls):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def rate_of(client: Callable[[], Callable[[], object]]) -> float:
    """Return calls a second of all clients together."""
    share = BURST // CLIENTS
    workers = [client() for _ in range(CLIENTS)]

    def calls(work: Callable[[], object]) -> None:
        for _ in range(share):
            work()

    with ThreadPoolExecutor(CLIENTS) as pool:
        start = time.perf_counter()
        list(pool.map(calls, workers))
        return CLIENTS * share / (time.perf_counter() - start)


def main() -> None:
    """Measure and report."""
    with built(database_settings=("fsync=on",)) as stage, openbao(stage.folder) as bao:
        password = (stage.folder / "administrator").read_text()
        dsn = stage.database.dsn("protem_admin", password, "shop")
        sql, protem = BareSql(dsn), Protem(stage)
        bao.set_up(f"{dsn}?sslmode=disable", "protem_admin", password)
        report([one_round(protem, bao, sql) for _ in range(ROUNDS + 1)][1:])  # the first warms up


def one_round(protem: Protem, bao: OpenBao, sql: BareSql) -> dict[str, float]:
    """Return what each peer took once, and leave nothing behind."""
    ours, theirs = protem.client(), bao.client()
    for work in (ours, theirs, sql.make):
        median_of(work, WARM_UP)
    took = {
        "ours": median_of(ours, CALLS),
        "empty": median_of(protem.empty(), CALLS),
        "sql": median_of(sql.make, CALLS),
        "bao": median_of(theirs, CALLS),
        "ours_rate": rate_of(protem.client),
        "bao_rate": rate_of(bao.client),
    }
    for peer in (protem, bao, sql):
        peer.clean()
    return took


def report(rounds: list[dict[str, float]]) -> None:
    """Print the figures."""
    middle = {name: statistics.median(took[name] for took in rounds) for name in rounds[0]}
    for name in ("ours", "empty", "sql", "bao"):
        print(f"{name}: {middle[name] * 1000:.2f} ms, one client")
    print(f"ours: {middle['ours_rate']:.0f}/s, OpenBao: {middle['bao_rate']:.0f}/s, 16 clients")

    def judge(what: str, ratio: Callable[[dict[str, float]], float], limit: str) -> None:
        figure("HTTP", what, ratio(middle), limit, [ratio(took) for took in rounds])

    judge(
        "request to credential, p50 beyond an empty route, of the bare SQL",
        lambda took: (took["ours"] - took["empty"]) / took["sql"],
        "<=1.5",
    )
    judge(
        "request to credential, p50 of OpenBao's, 1 client",
        lambda took: took["ours"] / took["bao"],
        "<=0.3",
    )
    judge(
        "request to credential, rate of OpenBao's, 16 clients",
        lambda took: took["ours_rate"] / took["bao_rate"],
        ">=5",
    )


if __name__ == "__main__":
    main()
