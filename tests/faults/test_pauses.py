"""A control plane is stopped where it meets the world, another one goes on, the first wakes up.

As under SIGSTOP: what the stopped one had decided it still does when it is continued, long after
its lease ran out, its grant expired or was revoked. Nobody looks for orphans here, so what must not
be at the target must never have come there. ``PROTEM_FAULT_SEED`` repeats a run,
``PROTEM_FAULT_PAUSES`` sets how many random schedules are tried.
"""

import asyncio
import itertools
import json
import os
import random
import secrets
from contextvars import Context
from dataclasses import dataclass, replace

import pytest
from tests.faults.crash_scenarios import (
    check_nothing_is_left,
    check_quiet,
    extend,
    give_back,
    revoke,
)
from tests.faults.two_planes import A, B, LateConnector, Plane, World, ask_for

from protem.domain.errors import IndeterminateError, RetryLaterError
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.virtual_loop import run, running_loop

SEED = int(os.environ.get("PROTEM_FAULT_SEED", secrets.randbits(32)))
SCHEDULES = int(os.environ.get("PROTEM_FAULT_PAUSES", "600"))
QUIET = 45.0
EVERY_IDLE = 5
"""One look at the books is like another; so many of them are taken for one point."""
ask, ask_shortly = ask_for(minutes=15), ask_for(seconds=20)


def wait(seconds):
    """Time passes between two steps."""

    async def pass_time(_):
        await asyncio.sleep(seconds)

    return pass_time


def fails(error, times):
    """The target answers so, so often."""

    async def break_target(plane):
        plane.world.connector.fail_next(error, times)

    return break_target


SCENARIOS = {
    "given back": [(A, ask), (A, wait(0.3)), (A, give_back)],
    "expired": [(A, ask_shortly), (A, wait(21))],
    "revoked while on its way": [(A, ask), (A, revoke)],
    "revoked elsewhere while on its way": [(A, ask), (B, revoke)],
    "asked elsewhere, ended here": [(B, ask), (B, wait(0.3)), (A, give_back)],
    "extended": [(A, ask), (A, wait(0.3)), (A, extend), (A, wait(0.3))],
    "second try": [(A, fails(RetryLaterError("down"), 1)), (A, ask), (A, wait(1.5))],
    "made or not": [(A, fails(IndeterminateError("?"), 1)), (A, ask), (A, wait(0.3)), (A, revoke)],
    "ending fails": [(A, ask), (A, wait(0.3)), (A, fails(RetryLaterError("?"), 2)), (A, give_back)],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Where the first plane is stopped, for how long, and when the other's user revokes.

    Attributes:
        revoked_after: since the stop; None for never. After ``length`` means after waking up.
    """

    at: int | None = None
    length: float = 0
    revoked_after: float | None = None


PAUSES = (
    Pause(length=16, revoked_after=14),  # past the limit of a call
    Pause(length=26, revoked_after=23),  # past the order's last moment
    Pause(length=31, revoked_after=0.01),  # past the lease; revoked under it
    Pause(length=36, revoked_after=30.5),  # past the lease; revoked after it
    Pause(length=28, revoked_after=28.1),  # revoked just after waking up, before the lease's end
    Pause(length=70, revoked_after=1),
    Pause(length=31),
    Pause(length=70),
)


def points_of(steps):
    """The numbers of the points at which the first plane is stopped."""
    names = [name for plane, name in play(steps, Pause()).played if plane == A]
    idle = [number for number, name in enumerate(names, 1) if "_until_next" in name]
    return sorted({*range(1, len(names) + 1)} - set(idle) | set(idle[::EVERY_IDLE]))


def play(steps, pause, *, seed=0, late=None):
    """Play ``steps`` with one stop; return the world when all is quiet and checked."""

    async def main():
        loop = running_loop()
        world, stopped, count, calm = World(loop, seed), asyncio.Event(), 0, False

        async def stop_at(_, __):
            nonlocal count
            count += 1
            if count == pause.at and not calm:
                loop.stop_process(A)
                stopped.set()
                await asyncio.sleep(0)

        slow = late and LateConnector(world.connector, **late)
        planes = {A: Plane(world, A, hook=stop_at, connector=slow), B: Plane(world, B)}
        for plane in planes.values():
            plane.reconcile()
        users = asyncio.create_task(_use(planes, steps))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({users, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set():
            await _meanwhile(planes, pause)
        calm = True
        waiting.cancel()
        await users
        world.played = list(world.points)
        await _come_to_rest(world, planes)
        return world

    return run(main(), seed=seed)


async def _use(planes, steps):
    for name, step in steps:
        await planes[name].act(step)
    await asyncio.sleep(0.1)  # what they set going is played to its end, too


async def _meanwhile(planes, pause):
    before = pause.length if pause.revoked_after is None else pause.revoked_after
    await asyncio.sleep(min(before, pause.length))
    if pause.revoked_after is not None and pause.revoked_after <= pause.length:
        await planes[B].act(revoke)
        await asyncio.sleep(pause.length - pause.revoked_after)
    running_loop().continue_process(A)
    if pause.revoked_after is not None and pause.revoked_after > pause.length:
        await asyncio.sleep(pause.revoked_after - pause.length)
        await planes[B].act(revoke)


async def _come_to_rest(world, planes):
    """Wait until nothing can be under way; check; end all; check that nothing is left."""
    await asyncio.sleep(QUIET)
    await check_quiet(world)
    await check_nothing_follows_an_end(world)
    for grant_id in dict.fromkeys(world.told):
        world.told.append(grant_id)
        await planes[B].act(revoke)
    await asyncio.sleep(QUIET)
    await check_nothing_is_left(world)
    for plane in planes.values():
        await plane.die()


async def check_nothing_follows_an_end(world):
    """A commit that was decided before the end does not come after it."""
    entries = await world.store.read(lambda tx: tx.audit.entries(start=0, limit=10_000))
    over = set()
    for entry in (json.loads(entry.body) for entry in entries):
        assert entry["grant"] not in over, f"a stale commit: {entry}"
        if entry["kind"] == "grant.ended":
            over.add(entry["grant"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_stopped_at_every_point_and_continued(scenario, faults_counted):
    """Whatever others did meanwhile, the late steps leave no orphan and no stale commit."""
    steps = SCENARIOS[scenario]
    points = points_of(steps)
    assert len(points) >= 5
    for number, pause in itertools.product(points, PAUSES):
        stopped = replace(pause, at=number)
        try:
            play(steps, stopped)
        except AssertionError as error:
            pytest.fail(f"{scenario}, {stopped}: {error}")
        faults_counted("pauses of a control plane", 1)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_call_that_arrives_late(scenario, faults_counted):
    """Held up on its way for longer than its sender waits, it makes nothing that stays."""
    for kind, seconds in itertools.product(("provision", "end"), (14, 20, 24.9, 29, 31, 40)):
        for number, pause in itertools.product((1, 2), (Pause(), Pause(at=6, length=40))):
            late = {"kind": kind, "number": number, "seconds": seconds}
            try:
                play(SCENARIOS[scenario], pause, late=late)
            except AssertionError as error:
                pytest.fail(f"{scenario}, {late}, {pause}: {error}")
            faults_counted("calls that arrive late", 1)


@pytest.mark.parametrize("part", range(4))
def test_random_pauses_of_both(part, faults_counted):
    """Both are stopped at random points for random lengths while their users go on."""
    for number in range(part, SCHEDULES, 4):
        seed = f"{SEED}/{number}"
        try:
            play_at_random(seed)
        except AssertionError as error:
            pytest.fail(f"PROTEM_FAULT_SEED={SEED}, schedule {number}: {error}")
        faults_counted("random schedules of pauses", 1)
    faults_counted(f"seed {SEED}", 0)


def play_at_random(seed):
    """Let users act through both planes while either is stopped now and then."""

    async def main():
        loop, chance = running_loop(), random.Random(seed)
        world, often = World(loop, seed), chance.choice((0.02, 0.1, 0.3))
        calm = False

        async def stop(plane, name):
            if calm or "_until_next" in name or chance.random() > often:
                return
            loop.stop_process(plane.name)
            length = chance.choice((0.5, 14, 16, 24, 26, 31, 36, 70))
            # In a context of no process: a stopped one could not continue itself.
            loop.call_later(length, loop.continue_process, plane.name, context=Context())
            await asyncio.sleep(0)

        planes = {name: Plane(world, name, hook=stop) for name in (A, B)}
        for plane in planes.values():
            plane.reconcile()
        acts = [planes[A].act(ask)]
        for _ in range(chance.randint(2, 6)):
            await asyncio.sleep(chance.choice((0.01, 0.3, 5, 20, 31)))
            step = chance.choice((extend, extend, revoke, fails(IndeterminateError("?"), 1)))
            acts.append(planes[chance.choice((A, B))].act(step))
        calm = True
        await asyncio.gather(*acts)
        await asyncio.sleep(70)  # the last that was stopped goes on
        await _come_to_rest(world, planes)

    run(main(), seed=seed)


def test_a_target_that_takes_late_orders_is_found_out(monkeypatch):
    """A late call leaves an orphan at a target that ignores an order's last moment."""

    async def take_late(connector, order, public_half):
        late = replace(order.order, provision_by=order.order.expires_at)
        return await provision(connector, replace(order, order=late), public_half)

    provision = InMemoryConnector.provision
    monkeypatch.setattr(InMemoryConnector, "provision", take_late)
    late = {"kind": "provision", "number": 1, "seconds": 40}
    with pytest.raises(AssertionError, match="an orphan"):
        play(SCENARIOS["revoked elsewhere while on its way"], Pause(), late=late)
