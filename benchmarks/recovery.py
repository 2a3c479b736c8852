"""Recovery: kill -9 of a control plane with 100,000 active grants at one target, and its restart.

The store and the target hold the same grants: rows in SQLite, real roles with real marks in
PostgreSQL. 100 of them run out at one moment; the server process is killed when it has ended some,
and started again at once. Measured from the restart: the seconds until ``/readyz`` says yes, until
all that is due is gone from PostgreSQL, until it is on record as ended; then, over some looks at
the whole target, the longest that ``/healthz`` took, and the process's most memory.

Limits: 30 s for each of the first three, 5 s without an answer, 512 MiB. For scale, the same with
1,000 grants.

    python benchmarks/recovery.py [--sizes 1000 100000] [--due 100]
"""

import argparse
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from expiry_scan import SECOND, fill
from granted_roles import IMPORT_PATH
from measuring import figure
from psycopg import sql

from protem.connectors.postgresql.marks import GrantMark, ScopeMark
from protem.domain.grants import GrantState
from protem.domain.instants import format_instant
from protem.entrypoints.demo.stage import built
from protem.storage.connections import connect
from protem.storage.grant_rows import to_row
from protem.testing.store_samples import ORDERS_DB, SCOPE, grant_id, life

LIMIT_SECONDS, LIMIT_SILENCE_SECONDS, LIMIT_MIB = 30, 5, 512
GIVE_UP_SECONDS = 240
DUE_IN_SECONDS = 10
AT_ONCE = 500
LOOKS_SECONDS = 20
"""The stage looks at its target two seconds after it last did."""


SCOPE_MARK = ScopeMark(target=ORDERS_DB, database="shop", scope=SCOPE, scope_digest=SCOPE.digest)


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
        if not wait_for(self._is_ready):
            sys.exit(f"the server was not ready after {GIVE_UP_SECONDS} s")

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


def wait_for(fact, most=GIVE_UP_SECONDS):
    """Return whether ``fact`` came true in time."""
    until = time.monotonic() + most
    while not fact():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def make_grants(stage, numbers, expires):
    """Put grants into the store and their roles, as the connector makes them, at the target.

    A superuser makes it, because the administrator's own statements take longer with each role
    that is there; the memberships are those that PostgreSQL gives whoever creates a role.
    """
    make = sql.SQL(
        "create role {role} login connection limit 10 valid until {until};"
        "grant {scope} to {role} with inherit true, set false; comment on role {role} is {mark};"
        "grant {role} to protem_admin with admin true, inherit false, set false"
    )
    with psycopg.connect(
        stage.database.dsn(dbname="shop"), autocommit=True, prepare_threshold=None
    ) as connection:
        for first in range(0, len(numbers), AT_ONCE):
            statements = []
            for number in numbers[first : first + AT_ONCE]:
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
                        scope=sql.Identifier(SCOPE_MARK.role),
                        mark=sql.Literal(mark.to_comment()),
                    )
                )
            connection.execute(sql.SQL(";").join(statements))
    fill(stage.folder / "state" / "protem.db", rows(numbers, expires))


def make_scope_role(stage):
    """Make the role that all of them are in."""
    with psycopg.connect(stage.database.dsn(dbname="shop"), autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "create role {role} nologin; comment on role {role} is {mark};"
                "grant connect on database shop to {role};"
                "grant select (id, status) on shop.orders to {role};"
                "grant {role} to protem_admin with admin true, inherit false, set false"
            ).format(
                role=sql.Identifier(SCOPE_MARK.role), mark=sql.Literal(SCOPE_MARK.to_comment())
            )
        )


def rows(numbers, expires):
    """Return the rows of active grants."""
    active = to_row(life()[GrantState.ACTIVE][-1])
    due = round(expires.timestamp() * SECOND)
    made = due - 86_400 * SECOND
    moments = {"expires_at": due, "due_at": due, "applied_until": due}
    moments |= {"activated_at": made, "provisioned_at": made}
    for number in numbers:
        yield active | moments | {"id": grant_id(number)}


def measured(size, due):
    """Return what was measured with ``size`` active grants, ``due`` of which run out."""
    with built(database_settings=("fsync=on",)) as stage:
        stage.server.stop()
        make_scope_role(stage)
        make_grants(stage, range(due, size), datetime.now(UTC) + timedelta(days=1))
        expires = datetime.now(UTC) + timedelta(seconds=DUE_IN_SECONDS)
        make_grants(stage, range(due), expires)
        server = Server(stage)
        server.start()
        try:
            return killed_and_restarted(stage, server, [grant_id(one) for one in range(due)])
        finally:
            server.kill()


def killed_and_restarted(stage, server, due):
    """Kill the server while it ends what is due, start it again, and take the times."""
    server.wait_until_ready()
    store = connect(stage.folder / "state" / "protem.db", read_only=True)
    with closing(store), psycopg.connect(stage.database.dsn(), autocommit=True) as target:

        def left():
            names = [one.name_at_target for one in due]
            query = "select count(*) from pg_roles where rolname = any(%s)"
            return target.execute(query, (names,)).fetchone()[0]

        def unrecorded():
            query = "select count(*) from grants where state <> 'ended' and id <= ?"
            return store.execute(query, (due[-1],)).fetchone()[0]

        if not wait_for(lambda: left() < len(due)):
            sys.exit(f"nothing was ended after {GIVE_UP_SECONDS} s")
        server.kill()
        found = {"left": left()}
        began = time.monotonic()
        server.start()
        server.wait_until_ready()
        found["ready"] = time.monotonic() - began
        for what, rest in (("gone", left), ("recorded", unrecorded)):
            wait_for(lambda rest=rest: rest() == 0)  # what is given up shows as missed
            found[what] = time.monotonic() - began
    found["silence"] = longest_silence(stage)
    found["peak_mib"] = server.peak_mib()
    return found


def longest_silence(stage):
    """Return the longest that the server took to say that it lives, in seconds."""
    longest, until = 0.0, time.monotonic() + LOOKS_SECONDS
    while time.monotonic() < until:
        began = time.monotonic()
        with urllib.request.urlopen(f"{stage.server.url}/healthz", timeout=GIVE_UP_SECONDS):
            longest = max(longest, time.monotonic() - began)
        time.sleep(0.05)
    return longest


def main():
    """Measure each size and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    options.add_argument("--due", type=int, default=100)
    asked = options.parse_args()
    for size in asked.sizes:
        found = measured(size, asked.due)
        print(
            f"{size:,} active, {found['left']} of {asked.due} due not ended when killed:"
            f" ready after {found['ready']:.1f} s, gone after {found['gone']:.1f} s,"
            f" recorded after {found['recorded']:.1f} s;"
            f" silent for {found['silence']:.1f} s at most; {found['peak_mib']:.0f} MiB"
        )
        for what, name, limit in (
            ("ready", "ready", LIMIT_SECONDS),
            ("gone", "all due gone", LIMIT_SECONDS),
            ("recorded", "all due recorded", LIMIT_SECONDS),
            ("silence", "longest without an answer", LIMIT_SILENCE_SECONDS),
            ("peak_mib", "most memory", LIMIT_MIB),
        ):
            unit = "MiB" if what == "peak_mib" else "s"
            named = f"{name}, kill -9 with {size:,} active, of {limit} {unit}"
            figure("BACK", named, found[what] / limit, "<=1")


if __name__ == "__main__":
    main()
