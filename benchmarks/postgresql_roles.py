"""Issue, role count and revoke on PostgreSQL, against plain SQL on the same server.

G6: issue p50 <= 0.15 of CREATE ROLE + GRANT on 50 tables; at 8 connections >= 4 times its cycles a
second; no failure at 16. G7: issue p50 with many roles <= 1.2 of that with few. G8: revoking one
idle session p50 <= 0.1 of ``pg_terminate_backend(pid, timeout)``.

    python benchmarks/postgresql_roles.py [--roles 50000] [--rounds 3] [--each 60]
"""

import argparse
import asyncio
import os
import statistics
import time
from datetime import UTC, datetime, timedelta

import psycopg
from measuring import figure

from protem.connectors.postgresql import PostgresqlConnector
from protem.domain.errors import ProtemError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.orders import Order, PublicHalf, SignedOrder
from protem.domain.principals import PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.domain.scram import FORM, scram_verifier
from protem.domain.secret import Secret
from protem.testing import postgresql_server

TABLES = [f"t{number}" for number in range(50)]
SCOPE = Scope([Privilege(kind="table", path=("public", name), action="SELECT") for name in TABLES])
GRANTS = "; ".join(f"GRANT SELECT ON public.{name} TO {{role}}" for name in TABLES)
PASSWORD = Secret("0123456789abcdef0123456789abcdef")
counter = iter(range(1, 10**9))


def an_order():
    now = datetime.now(UTC)
    order = Order(
        grant_id=GrantId(f"01{next(counter):024d}"),
        target=TargetName("bench"),
        principal=PrincipalId(issuer="local", subject="bench"),
        scope=SCOPE,
        expires_at=now + timedelta(hours=1),
        issued_at=now,
        provision_by=now + timedelta(seconds=30),
        request_digest="sha256:0",
    )
    return SignedOrder(order=order, key_id="", signature=b"")


def a_half():
    return PublicHalf(form=FORM, value=scram_verifier(PASSWORD, os.urandom(16)))


async def ours(connector):
    order, half = an_order(), a_half()
    began = time.perf_counter()
    receipt = await connector.provision(order, half)
    return time.perf_counter() - began, order.order.grant_id, receipt


async def theirs(connection, *, iterations=4096):
    role = f"peer_{next(counter)}"
    verifier = scram_verifier(PASSWORD, os.urandom(16), iterations)
    began = time.perf_counter()
    await connection.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD '{verifier}'; {GRANTS.format(role=role)}"
    )
    return time.perf_counter() - began, role


async def drop_theirs(connection, role):
    await connection.execute(
        f"ALTER ROLE {role} NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE usename = '{role}'; DROP OWNED BY {role}; DROP ROLE {role}"
    )


async def cycles(worker, seconds):
    """Return cycles a second and failures of 8 or 16 workers."""
    until = time.perf_counter() + seconds
    results = await asyncio.gather(*(one(until) for one in worker))
    return sum(done for done, _ in results) / seconds, sum(failed for _, failed in results)


async def rate(dsn, connector, workers, seconds):
    async def mine(until):
        done = failed = 0
        while time.perf_counter() < until:
            try:
                _, grant, _ = await ours(connector)
                await connector.end(grant)
                done += 1
            except ProtemError:
                failed += 1
        return done, failed

    async def peer(until):
        done = failed = 0
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            while time.perf_counter() < until:
                try:
                    _, role = await theirs(connection)
                    await drop_theirs(connection, role)
                    done += 1
                except psycopg.Error:
                    failed += 1
        return done, failed

    return await cycles([mine] * workers, seconds), await cycles([peer] * workers, seconds)


async def main(options):
    server = postgresql_server.start(15 if 15 in postgresql_server.find_binaries() else None)
    try:
        await measure(server, options)
    finally:
        server.stop()


async def measure(server, options):
    dsn = server.dsn()
    login = {"host": "127.0.0.1", "port": str(server.port), "dbname": "postgres"}
    connector = PostgresqlConnector(Secret(dsn), target=TargetName("bench"), login=login)
    admin = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    for name in TABLES:
        await admin.execute(f"CREATE TABLE public.{name} (id int)")
    _, keep, _ = await ours(connector)  # keeps the scope role in use
    issue, bare, revoke, polled = [], [], [], []
    for _ in range(options.rounds):
        for _ in range(options.each):
            took, grant, _ = await ours(connector)
            issue.append(took)
            took, role = await theirs(admin)
            bare.append(took)
            await connector.end(grant)
            await drop_theirs(admin, role)
        for _ in range(max(3, options.each // 10)):
            revoke.append(await revoke_ours(connector))
            polled.append(await revoke_polled(dsn, admin))
    show("G6", "issue p50, of CREATE ROLE + 50 GRANTs", issue, bare, "<=0.15")
    for workers in (8, 16):
        (mine, failed), (peer, peer_failed) = await rate(dsn, connector, workers, options.seconds)
        print(
            f"G6 cycles/s at {workers}: ours {mine:.0f} ({failed} failed), peer {peer:.0f}"
            f" ({peer_failed} failed)"
        )
        if workers == 8:
            figure("G6", "cycles/s at 8, of the same", mine / max(peer, 0.1), ">=4")
    show("G8", "revoke an idle session p50, of the polling form", revoke, polled, "<=0.1")
    few = [(await ours(connector))[0] for _ in range(options.each * options.rounds)]
    await admin.execute(
        "DO $$ BEGIN FOR i IN 1.." + str(options.roles) + " LOOP"
        " EXECUTE format('CREATE ROLE crowd_%s', i); END LOOP; END $$"
    )
    many = [(await ours(connector))[0] for _ in range(options.each * options.rounds)]
    show("G7", f"issue p50 with {options.roles} more roles, of with few", many, few, "<=1.2")
    await connector.end(keep)
    await admin.close()
    await connector.close()


async def revoke_ours(connector):
    _, grant, receipt = await ours(connector)
    client = await psycopg.AsyncConnection.connect(**receipt.login, password=PASSWORD.reveal())
    began = time.perf_counter()
    await connector.end(grant)
    took = time.perf_counter() - began
    await client.close()
    return took


async def revoke_polled(dsn, admin):
    client = await psycopg.AsyncConnection.connect(dsn)
    began = time.perf_counter()
    await admin.execute(f"SELECT pg_terminate_backend({client.info.backend_pid}, 5000)")
    took = time.perf_counter() - began
    await client.close()
    return took


def show(goal, what, mine, peer, limit):
    ours_ms, peer_ms = (statistics.median(times) * 1000 for times in (mine, peer))
    print(f"{what}: {ours_ms:.2f} ms / {peer_ms:.2f} ms")
    figure(goal, what, ours_ms / peer_ms, limit)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--roles", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=3.0)
    asyncio.run(main(parser.parse_args()))
