"""Two reconcilers over one store and one PostgreSQL; one is stopped, the other takes over.

Stopped at random moments, and by itself at each point between a write and a call; continued once
the other has finished. People ask, extend and end all the while. Nothing observes the target
meanwhile, so what a process made too late would still be there at the end.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path

import psycopg
import pytest
from tests.faults.chance import how_many, seeded
from tests.faults.killed_control_plane import DEADLINES, IMPORT_PATH, OUR_ROLES
from tests.faults.reconciling_process import LIMITS, POINTS, shorten_times

from protem.audit.checkpoint import VerifierKey
from protem.audit.verifier import verify_log
from protem.bootstrap.control_plane import open_control_plane
from protem.bootstrap.settings import load_settings
from protem.domain.commands import Command
from protem.domain.errors import AuditUnavailableError, ProtemError
from protem.domain.grants import GrantState
from protem.domain.identifiers import TargetName
from protem.domain.orders import PublicHalf
from protem.domain.principals import PrincipalId
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.entrypoints.demo.stage import built
from protem.ports.work_queue import WorkQueue
from protem.services.end_grant import end_grant
from protem.services.end_unrecorded import EndUnrecorded, WantedEnd
from protem.services.extend_grant import extend_grant
from protem.services.plan_command import Ask
from protem.services.request_access import request_access
from protem.system.child_process import dying_with_us

pytestmark = pytest.mark.postgresql
STOPS = how_many("PROTEM_SOAK_STOPS", 100)
DANA = PrincipalId(issuer="local", subject="dana")
STATEMENTS = ["select id from shop.orders", "select name from shop.products"]
MOVING = (GrantState.PROVISIONING, GrantState.ENDING, GrantState.STUCK)
REACHED_WITHIN_SECONDS = 3.0
LONGEST_STOP_SECONDS = 2.5
QUIET_WITHIN_SECONDS = 120


@pytest.fixture
def short_times():
    """Short times in this process too, and the usual ones afterwards."""
    kept = [
        (module, name, getattr(module, name))
        for module in list(sys.modules.values())
        for name in ("MOST_CLOCK_SKEW", "CALL_TIMEOUT")
        if module.__name__.startswith("protem.") and hasattr(module, name)
    ]
    shorten_times()
    yield
    for module, name, value in kept:
        setattr(module, name, value)


class Reconciler:
    """One reconciling process."""

    def __init__(self, settings, log):
        self.process = subprocess.Popen(
            [*dying_with_us(), sys.executable, "-m", "tests.faults.reconciling_process", settings],
            env={**os.environ, "PYTHONPATH": IMPORT_PATH},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
        )

    def stop_at(self, point):
        """Let it stop itself the next time it gets there; an empty point is none."""
        self.process.stdin.write(f"{point}\n")
        self.process.stdin.flush()

    def send(self, number):
        """Send a signal."""
        assert self.process.poll() is None, "a reconciler ended by itself"
        self.process.send_signal(number)

    def is_stopped(self):
        """Say whether the kernel holds it."""
        status = Path(f"/proc/{self.process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "T"

    def kill(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class HandsToOthers(WorkQueue):
    """A work queue that gives the lease back at once, for whoever reconciles."""

    owner = "the people's process"

    def __init__(self, around):
        self.around, self.tasks, self.unrecorded = around, set(), EndUnrecorded()

    def hand_over(self, grant):
        """Release the lease that was taken for us."""
        self._start(self._release(grant.id))

    def end_later(self, grant_id, *, cause, actor):
        """Record it when the process that holds the store goes on."""
        self.unrecorded.want(WantedEnd(grant_id=grant_id, cause=cause, actor=actor))
        self._start(self._record())

    def _start(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _release(self, grant_id):
        with suppress(ProtemError):  # a stopped process may hold the store; the lease runs out
            await self.around.store.write(lambda tx: tx.work.release(grant_id, owner=self.owner))

    async def _record(self):
        while True:
            try:
                return await self.unrecorded.record(self.around)
            except AuditUnavailableError:
                await asyncio.sleep(0.1)


class People:
    """Ask, extend and end at random, through the use cases."""

    def __init__(self, around, chance):
        self.around, self.chance = around, chance
        self.counts, self.granted, self.ended = Counter(), [], set()

    async def act_until_cancelled(self):
        """Go on."""
        dana = await self.around.store.read(lambda view: self.around.identity.lookup(view, DANA))
        while True:
            await asyncio.sleep(self.chance.uniform(0.01, 0.1))
            try:
                self.counts[await self._act(dana)] += 1
            except ProtemError as error:
                self.counts[f"refused: {error.code}"] += 1

    async def _act(self, dana):
        open_ones = [grant for grant in self.granted if grant not in self.ended]
        kind = self.chance.choice(["ask", "ask", "end", "end", "extend"])
        if kind == "ask" or not open_ones:
            ask = Ask(
                target=TargetName("orders-db"),
                command=Command(argv=("psql", "-c", self.chance.choice(STATEMENTS))),
                duration=timedelta(seconds=self.chance.choice([1, 900])),
                reason="a test of stops",
                ticket="INC-9",
            )
            verifier = scram_verifier(Secret(secrets.token_hex(24)), secrets.token_bytes(16), 1)
            half = PublicHalf(form="scram-sha-256", value=verifier)
            self.granted.append((await request_access(self.around, dana, ask, half)).grant.id)
            return "asked"
        grant_id = self.chance.choice(open_ones)
        if kind == "end":
            await end_grant(self.around, dana, grant_id)
            self.ended.add(grant_id)
            return "ended"
        await extend_grant(self.around, dana, grant_id, timedelta(seconds=30))
        return "extended"


@asynccontextmanager
async def peoples_side(stage):
    """The use cases over the same state, without a reconciler."""
    settings = stage.server.settings
    async with open_control_plane(load_settings(settings), settings.parent, serving=False) as plane:
        queue = HandsToOthers(plane.around)
        yield replace(plane.around, limits=LIMITS, work_queue=queue)


async def until(is_so, seconds):
    """Wait for a condition; say whether it came."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def in_states(around, *states):
    """Every grant in one of these states."""
    return await around.store.read(lambda view: view.grants.list(states=states, limit=10_000))


async def quiet(around):
    """Wait until nothing is on its way or over; return what is active."""
    deadline = time.monotonic() + QUIET_WITHIN_SECONDS
    while time.monotonic() < deadline:
        active = await in_states(around, GrantState.ACTIVE)
        over = [grant for grant in active if grant.expires_at <= around.clock.now()]
        told = all(grant.applied_until == grant.expires_at for grant in active)
        if told and not over and not await in_states(around, *MOVING):
            return active
        await asyncio.sleep(0.1)
    pytest.fail("still moving")


async def stop_once(victim, around, chance, point):
    """Stop at a point or, without one, at any moment; continue when the other one has caught up."""
    victim.stop_at(point)
    if point:
        reached = await until(victim.is_stopped, REACHED_WITHIN_SECONDS)
        if not reached:
            victim.stop_at("")
    else:
        await asyncio.sleep(chance.uniform(0, 0.2))
        reached = True
        victim.send(signal.SIGSTOP)
    stopped_at = around.clock.now()
    deadline = time.monotonic() + LONGEST_STOP_SECONDS
    while time.monotonic() < deadline:
        behind = await around.store.read(lambda view: view.work.next_due())
        if behind is None or behind > stopped_at + LIMITS.lease:
            break  # all that was due when it stopped has been done by the other one
        await asyncio.sleep(0.05)
    victim.send(signal.SIGCONT)
    return reached


@pytest.mark.usefixtures("short_times")
async def test_a_stopped_process_does_no_harm_when_it_goes_on(faults_counted):
    """A hundred stops: no orphan, nothing lost, no result of a lease that was taken over."""
    chance, reached = seeded("stopped processes"), Counter()
    with built() as stage, (stage.folder / "reconcilers.log").open("ab") as log:
        stage.server.stop()
        both = [Reconciler(stage.server.settings, log) for _ in range(2)]
        try:
            async with peoples_side(stage) as around:
                people = People(around, chance)
                acting = asyncio.create_task(people.act_until_cancelled())
                await asyncio.sleep(1)
                for number, point in enumerate(islice(cycle([*POINTS, *[""] * 6]), STOPS)):
                    was = await stop_once(both[number % 2], around, chance, point)
                    reached[point or "any moment"] += was
                faults_counted("processes stopped and continued", reached.total())
                acting.cancel()
                with suppress(asyncio.CancelledError):
                    await acting
                await asyncio.gather(*around.work_queue.tasks)
                await settle_and_ask(stage, around, people, reached)
        finally:
            for each in both:
                each.kill()


async def settle_and_ask(stage, around, people, reached):
    """Ask PostgreSQL, the store and the log what came of it."""
    active = await quiet(around)
    with psycopg.connect(stage.database.dsn()) as connection:
        there = dict(connection.execute(DEADLINES).fetchall())
    orphans = there.keys() - {grant.id.name_at_target for grant in active}
    lost = {grant.id.name_at_target for grant in active} - there.keys()
    print(f"{reached.total()} stops {dict(reached)}; people {dict(people.counts)}")
    print(f"{len(active)} active at the end; orphans {len(orphans)}, lost grants {len(lost)}")
    assert (orphans, lost) == (set(), set())
    assert {grant.id.name_at_target: grant.expires_at for grant in active} == there
    assert not people.ended & {grant.id for grant in active}, "a revocation was lost"
    assert set(reached) == {*POINTS, "any moment"}
    assert all(reached.values()), f"never stopped at some points: {reached}"
    dana = await around.store.read(lambda view: around.identity.lookup(view, DANA))
    for grant in active:
        await end_grant(around, dana, grant.id)
    assert not await quiet(around)
    with psycopg.connect(stage.database.dsn()) as connection:
        assert connection.execute(OUR_ROLES).fetchall() == []
    await around.audit_log.publish()
    key = VerifierKey.parse(stage.audit_key.read_text())
    report = verify_log(stage.audit_folder, key, check_rules=True, require_covered=True)
    assert report.intact, report.findings
    print(f"the log verifies: {report.size} entries, none of a stale result")
