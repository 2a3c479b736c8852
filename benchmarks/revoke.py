"""Revoke to observed gone: from ``POST /v1/grants/ID/end`` until PostgreSQL shows nothing of it.

Each grant has one session that runs a query: half of them sleep, half count without a pause. The
clock starts when the call is sent and stops when the role and its session are gone, as a superuser
sees them in the catalogue, looked at without pause. The control plane is the whole one: SQLite
with FULL, the audit log on disk, a PostgreSQL that syncs. The peer, in turn in the same run: the
bare ``pg_terminate_backend`` and ``DROP ROLE`` in one message on an open connection, for a role and
a session of the same kind; it does not make sure that no login slips through, ours does.

Limits: p50 at most 5 times the peer's; p99 at most one second; the worst at most ten.

    python benchmarks/revoke.py [--rounds 3] [--each 70]
"""

import argparse
import secrets
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from itertools import count

import psycopg
from granted_roles import COUNTING, SLEEPING, Asker
from measuring import figure
from psycopg import sql

from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.entrypoints.demo.stage import built

GIVE_UP_SECONDS = 30
LEFT = """
select (select count(*) from pg_authid where oid = %(role)s)
     + (select count(*) from pg_stat_activity where usesysid = %(role)s)
"""
BUSY = "select count(*) from pg_stat_activity where usesysid = %s and state = 'active'"
WARM_UP = 4


class Target:
    """The database as its superuser sees it, and plain SQL as the peer."""

    def __init__(self, stage):
        self._stage = stage
        self._watching = psycopg.connect(stage.database.dsn(), autocommit=True)
        self._acting = psycopg.connect(
            stage.database.dsn(), autocommit=True, prepare_threshold=None
        )
        self._acting.execute("create role bench_scope nologin")
        self._acting.execute("grant connect on database shop to bench_scope")
        self._numbers = count()

    def close(self):
        """Hang up."""
        self._watching.close()
        self._acting.close()

    def make(self):
        """Make a role by plain SQL; return its name and password."""
        name, password = f"bench_{next(self._numbers)}", secrets.token_hex(24)
        verifier = scram_verifier(Secret(password), secrets.token_bytes(16), 1)
        self._acting.execute(
            sql.SQL("create role {} login password {} in role bench_scope").format(
                sql.Identifier(name), sql.Literal(verifier)
            )
        )
        return name, password

    def end(self, name):
        """End it by plain SQL."""
        self._acting.execute(
            sql.SQL(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = {};"
                "drop role {}"
            ).format(sql.Literal(name), sql.Identifier(name))
        )

    @contextmanager
    def busy(self, name, password, query):
        """Keep a session of a role busy; give the role's number."""
        client = psycopg.connect(self._stage.database.dsn(name, password, "shop"))
        try:
            client.pgconn.send_query(query.encode())
            row = self._watching.execute(
                "select oid from pg_authid where rolname = %s", (name,)
            ).fetchone()
            while self._watching.execute(BUSY, row).fetchone() == (0,):
                time.sleep(0.005)
            yield row[0]
        finally:
            client.pgconn.finish()

    def seconds_until_gone(self, role, end):
        """Call ``end`` and return how long the role and its sessions were still seen."""
        gone = []

        def watch(deadline):
            while time.perf_counter() < deadline:
                if self._watching.execute(LEFT, {"role": role}).fetchone() == (0,):
                    gone.append(time.perf_counter())
                    return
                time.sleep(0.0005)

        began = time.perf_counter()
        watcher = threading.Thread(target=watch, args=(began + GIVE_UP_SECONDS,))
        watcher.start()
        end()
        watcher.join()
        if not gone:
            sys.exit(f"role {role} was not gone after {GIVE_UP_SECONDS} s")
        return gone[0] - began


def ours(target, asker, query):
    """Revoke one grant through the control plane."""
    grant = asker.ask(900)
    with target.busy(grant.role, grant.password, query) as role:
        return target.seconds_until_gone(
            role, lambda: asker.call("POST", f"/v1/grants/{grant.id}/end")
        )


def bare(target, query):
    """End one role by plain SQL."""
    name, password = target.make()
    with target.busy(name, password, query) as role:
        return target.seconds_until_gone(role, lambda: target.end(name))


def one_round(target, asker, each):
    """Return the seconds of each revocation, ours and the peer's, in turn."""
    took = {"ours": [], "bare": []}
    for number in range(each):
        query = (SLEEPING, COUNTING)[number % 2]
        took["ours"].append(ours(target, asker, query))
        took["bare"].append(bare(target, query))
    return took


def main():
    """Measure and report."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--each", type=int, default=70)
    asked = options.parse_args()
    with built(database_settings=("fsync=on",)) as stage, Asker(stage) as asker:
        target = Target(stage)
        one_round(target, asker, WARM_UP)
        rounds = [one_round(target, asker, asked.each) for _ in range(asked.rounds)]
        target.close()
    everyone = {name: sorted(s for took in rounds for s in took[name]) for name in rounds[0]}
    for name, seconds in everyone.items():
        middle, most, worst = (1000 * value for value in marks(seconds))
        print(
            f"{name}: {middle:.1f} ms p50, {most:.1f} ms p99, {worst:.1f} ms max"
            f" of {len(seconds)} revocations with a query running"
        )
    ratios = [statistics.median(took["ours"]) / statistics.median(took["bare"]) for took in rounds]
    figure(
        "END", "revoke to observed gone, p50, of bare SQL", statistics.median(ratios), "<=5", ratios
    )
    _, most, worst = marks(everyone["ours"])
    figure("END", "revoke to observed gone, p99 in seconds", most, "<=1")
    figure("END", "revoke to observed gone, worst in seconds", worst, "<=10")


def marks(seconds):
    """Return p50, p99 and the worst of sorted values."""
    return statistics.median(seconds), seconds[int(len(seconds) * 0.99)], seconds[-1]


if __name__ == "__main__":
    main()
