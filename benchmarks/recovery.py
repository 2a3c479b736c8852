"""Recovery: kill -9 of a control plane with 100,000 active grants at one target, and its restart.

The store and the target hold the same grants: rows in SQLite, real roles with real marks in
PostgreSQL. 100 more are asked for over HTTP and fall due at about the same time; the server process
is killed when it has ended some of them, and started again at once. Measured from the restart: the
seconds until ``/readyz`` says yes, until every grant that is due is gone from PostgreSQL, until it
is on record as ended, and the process's largest memory a full look at the target later. The limit
is 30 s for each, and 512 MiB; for scale, the same with 1,000 grants.

    python benchmarks/recovery.py [--sizes 1000 100000] [--due 100]
"""

import argparse
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from expiry_scan import SECOND, fill
from granted_roles import IMPORT_PATH, Asker, ask_for_many
from measuring import figure
from psycopg import sql

from protem.connectors.postgresql.marks import GrantMark, ScopeMark
from protem.domain.grants import GrantState
from protem.domain.instants import format_instant
from protem.entrypoints.demo.stage import built
from protem.storage.grant_rows import to_row
from protem.testing.store_samples import ORDERS_DB, SCOPE, grant_id, life

LIMIT_SECONDS = 30
GIVE_UP_SECONDS = 240
LIMIT_MIB = 512
DUE_IN_SECONDS = 8
AT_ONCE = 500
LOOKS_SECONDS = 10
"""The stage looks at its target every two seconds; by then it has done so."""


class Server:
    """The control plane as a process whose number is known."""

    def __init__(self, stage):
        self._stage = stage
        self._process = None

    def start(self):
        """Start it; it is not ready yet."""
        with (self._stage.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "protem", "server", "--config", self._stage.server.settings],
                env={**os.environ, "PYTHONPATH": IMPORT_PATH},
                stdout=log,
                stderr=log,
                cwd=self._stage.folder,
            )

    def kill(self):
        """Kill it outright; harmless twice."""
        self._process.kill()
        self._process.wait()

    def wait_until_ready(self):
        """Return when it says that it works."""
        wait_for(self._is_ready, "the server is ready")

    def _is_ready(self):
        if self._process.poll() is not None:
            log = (self._stage.folder / "server.log").read_text()
            sys.exit(f"the server ended: {log[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self._stage.server.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def peak_mib(self):
        """Return the most memory that it has had."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def wait_for(fact, what):
    """Return the seconds until ``fact`` is true."""
    began = time.monotonic()
    while not fact():
        if time.monotonic() - began > GIVE_UP_SECONDS:
            sys.exit(f"not after {GIVE_UP_SECONDS} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def make_roles(stage, count, expires):
    """Make the roles of ``count`` grants as the connector would, many in one transaction."""
    password = (stage.folder / "administrator").read_text()
    scope = ScopeMark(target=ORDERS_DB, database="shop", scope=SCOPE, scope_digest=SCOPE.digest)
    scope_role = sql.Identifier(scope.role)
    make = sql.SQL(
        "create role {role} login connection limit 10 valid until {until};"
        "grant {scope} to {role} with inherit true, set false; comment on role {role} is {mark}"
    )
    with psycopg.connect(
        stage.database.dsn("protem_admin", password, "shop"),
        autocommit=True,
        prepare_threshold=None,
    ) as connection:
        connection.execute(
            sql.SQL(
                "create role {role} nologin; comment on role {role} is {mark};"
                "grant connect on database shop to {role};"
                "grant select (id, status) on shop.orders to {role}"
            ).format(role=scope_role, mark=sql.Literal(scope.to_comment()))
        )
        for first in range(0, count, AT_ONCE):
            statements = []
            for number in range(first, min(first + AT_ONCE, count)):
                mark = GrantMark(
                    grant_id=grant_id(number),
                    target=ORDERS_DB,
                    database="shop",
                    scope_digest=SCOPE.digest,
                    expires_at=expires,
                )
                statements.append(
                    make.format(
                        role=sql.Identifier(mark.grant_id.name_at_target),
                        until=sql.Literal(format_instant(expires)),
                        scope=scope_role,
                        mark=sql.Literal(mark.to_comment()),
                    )
                )
            connection.execute(sql.SQL(";").join(statements))


def rows(count, expires):
    """Return the rows of ``count`` active grants."""
    active = to_row(life()[GrantState.ACTIVE][-1])
    due = round(expires.timestamp() * SECOND)
    made = due - 86_400 * SECOND
    moments = {"expires_at": due, "due_at": due, "applied_until": due}
    moments |= {"activated_at": made, "provisioned_at": made}
    for number in range(count):
        yield active | moments | {"id": grant_id(number)}


def left_of(connection, grants):
    """Return how many of the roles are there."""
    names = [one.role for one in grants]
    query = "select count(*) from pg_roles where rolname = any(%s)"
    return connection.execute(query, (names,)).fetchone()[0]


def measured(size, due):
    """Return what was measured with ``size`` active grants."""
    with built(database_settings=("fsync=on",)) as stage:
        stage.server.stop()
        expires = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
        make_roles(stage, size, expires)
        fill(stage.folder / "state" / "protem.db", rows(size, expires))
        server = Server(stage)
        server.start()
        try:
            return killed_and_restarted(stage, server, due)
        finally:
            server.kill()


def killed_and_restarted(stage, server, due):
    """Kill the server when some grants are due, start it again, and take the times."""
    server.wait_until_ready()
    grants = ask_for_many(stage, due, seconds=DUE_IN_SECONDS, a_second=10_000, clients=8)
    with psycopg.connect(stage.database.dsn(), autocommit=True) as connection:
        wait_for(lambda: left_of(connection, grants) < due, "the first grant is ended")
        server.kill()
        left = left_of(connection, grants)
        time.sleep(max(0.0, max(one.expires_at for one in grants) - time.time()))
        began = time.monotonic()
        server.start()
        server.wait_until_ready()
        found = {"left": left, "ready": time.monotonic() - began}
        wait_for(lambda: left_of(connection, grants) == 0, "what is due is gone")
        found["gone"] = time.monotonic() - began
    with Asker(stage) as asker:
        for one in grants:
            wait_for(
                lambda one=one: asker.call("GET", f"/v1/grants/{one.id}")["state"] == "ended",
                "what is gone is recorded",
            )
        found["recorded"] = time.monotonic() - began
    time.sleep(LOOKS_SECONDS)
    found["peak_mib"] = server.peak_mib()
    with Asker(stage) as asker:
        began = time.monotonic()
        asker.ask(60)
        found["next_ask"] = time.monotonic() - began
    return found


def main():
    """Measure each size and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    options.add_argument("--due", type=int, default=100)
    asked = options.parse_args()
    for size in asked.sizes:
        found = measured(size, asked.due)
        print(
            f"{size:,} active, {found['left']} of {asked.due} due when killed:"
            f" ready after {found['ready']:.1f} s, all due gone after {found['gone']:.1f} s,"
            f" recorded after {found['recorded']:.1f} s; {found['peak_mib']:.0f} MiB;"
            f" the next request took {found['next_ask']:.2f} s"
        )
        for what in ("ready", "gone", "recorded"):
            named = f"{what} after kill -9 with {size:,} active, of {LIMIT_SECONDS} s"
            figure("BACK", named, found[what] / LIMIT_SECONDS, "<=1")
        named = f"memory after it, of {LIMIT_MIB} MiB"
        figure("BACK", named, found["peak_mib"] / LIMIT_MIB, "<=1")


if __name__ == "__main__":
    main()
