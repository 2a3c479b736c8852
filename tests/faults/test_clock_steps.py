"""Clocks are set, machines sleep and restart, replicas disagree: nothing lasts longer by it.

The judge knows the true time. What was promised for 40 seconds must be of no use once 40 true
seconds and ``BOUND`` are over, whatever the wall clocks showed; ending early is allowed. Three
things cannot be had and are granted: while machines sleep or no plane runs, only the target's own
deadline and sweep end anything, so ``BOUND`` is counted from waking up; what a plane had leased
when it died beside another, which cannot know that, waits for the lease to run out; and when a
machine is rebooted and its wall clock set back, the time since its last kept mark is lost.
``PROTEM_FAULT_SEED`` repeats a run, ``PROTEM_FAULT_SCHEDULES`` sets how many are tried.
"""

import asyncio
import os
import random
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.faults.crash_scenarios import (
    check_nothing_is_left,
    revoke,
)
from tests.faults.two_planes import A, B, Plane, World, ask_for

from protem.domain.errors import RefusedError
from protem.domain.orders import MOST_CLOCK_SKEW
from protem.services.reconcile_grants import SAFETY_POLL
from protem.testing.virtual_loop import MachineClocks, run, running_loop

SEED = int(os.environ.get("PROTEM_FAULT_SEED", secrets.randbits(32)))
SCHEDULES = int(os.environ.get("PROTEM_FAULT_SCHEDULES", "2000"))
BOUND = SAFETY_POLL + timedelta(seconds=1)
"""From the moment at which a grant ends by the clocks of its plane: one look, and the work."""
SECOND, ZERO = timedelta(seconds=1), timedelta(0)
STEPS = [
    timedelta(**length)
    for length in (
        {"seconds": 1},
        {"seconds": 3},
        {"seconds": 30},
        {"minutes": 10},
        {"hours": 1},
        {"days": 1},
        {"days": 365},
        {"days": 3650},
    )
]
SKEWS = [timedelta(seconds=seconds) for seconds in (-4, -1, 0, 0, 1, 4)]
LONGEST_SECONDS = 40


@dataclass(slots=True)
class Judge:
    """Knows what each grant was promised, in true time.

    Attributes:
        skew: how far clocks that were never set may disagree.
        lost: time that no clock could know of.
        deadlines: by grant, in true time.
        held: by grant, until when a plane that died beside another had leased it.
        working: how many planes work; what nobody can end now is the target's own sweep's.
    """

    world: World
    skew: timedelta
    lost: timedelta = ZERO
    deadlines: dict = field(default_factory=dict)
    held: dict = field(default_factory=dict)
    working: int = 0
    uses: int = 0
    late: list = field(default_factory=list)

    def promise(self, grant_id, length):
        """Note that a grant may last so long from now."""
        self.deadlines[grant_id] = self.world.loop.true_time() + length

    async def leave_leases(self, plane):
        """Note what a plane held when it died: another one waits for the end of these leases."""
        leased = await self.world.store.read(lambda view: view.work.leased())
        until = self.world.loop.true_time() + plane.around.limits.lease
        self.held |= {grant.id: until for grant, _ in leased}

    async def watch(self):
        """Try every grant again and again, and look at every session."""
        woke, slept = ZERO, ZERO
        while True:
            loop, target = self.world.loop, self.world.target
            true = loop.true_time()
            if loop.slept != slept or self.working == 0:
                slept, woke = loop.slept, true
            for grant_id, deadline in self.deadlines.items():
                ends = max(deadline, self.held.get(grant_id, deadline))
                allowed = max(ends + self.skew + self.lost, woke) + BOUND
                if self._uses(target, grant_id) and true > allowed:
                    self.late.append((grant_id, true - deadline))
            await asyncio.sleep(0.25)

    def _uses(self, target, grant_id):
        """Whether somebody uses the grant now; a session is opened where one can be."""
        if grant_id in target.sessions.values():
            return True
        try:
            target.open_session(grant_id)
        except RefusedError:
            return False
        self.uses += 1
        return True


class Weather:
    """What happens to clocks and machines, by chance."""

    def __init__(self, world, judge, planes, chance):
        self.world, self.judge, self.planes, self.chance = world, judge, planes, chance

    async def strike(self):
        """Let one thing happen."""
        name = self.chance.choice(sorted(self.planes))
        plane, chance = self.planes[name], self.chance
        kind = chance.choice(("step", "step", "step", "suspend", "restart", "reboot"))
        by = chance.choice(STEPS) * chance.choice((1, -1))
        if kind == "step":
            plane.machine.step(by)
        elif kind == "suspend":
            self.world.loop.suspend(abs(by))
        else:
            unkept = await self._since_the_mark(plane)
            await plane.die()
            self.judge.working -= 1
            if len(self.planes) > 1:
                await self.judge.leave_leases(plane)
            if chance.random() < 0.5:
                plane.machine.step(by)
            off = chance.choice((0.1, 2, 10))
            await asyncio.sleep(off)
            if kind == "reboot":
                plane.machine.reboot()
                self.judge.lost += timedelta(seconds=off) + unkept
            self.planes[name] = Plane(self.world, name, machine=plane.machine)
            await self.planes[name].boot(alone=len(self.planes) == 1)
            self.judge.working += 1

    async def _since_the_mark(self, plane):
        """What a plane knows of time that it has not kept yet."""
        kept = await self.world.store.read(lambda view: view.clock.marks())
        return max(plane.around.clock.now() - kept[0].moment, ZERO) if kept else ZERO


def play(seed):
    """Play one schedule; return the judge when all is over."""

    async def main():
        chance = random.Random(seed)
        names = chance.choice(((A,), (A, B)))
        skews = {name: chance.choice(SKEWS) if len(names) > 1 else ZERO for name in names}
        world = World(running_loop(), seed)
        worst = max(skews.values()) - min(*skews.values(), ZERO)
        judge = Judge(world, min(worst, MOST_CLOCK_SKEW))
        planes = {}
        for name, skew in skews.items():
            machine = MachineClocks(world.loop, name=name, ahead=skew)
            planes[name] = Plane(world, name, machine=machine)
            await planes[name].boot()
            judge.working += 1
        watching = asyncio.create_task(judge.watch())
        weather = Weather(world, judge, planes, chance)
        for _ in range(chance.randint(2, 5)):
            await _live(judge, planes, chance)
            await asyncio.sleep(chance.uniform(0, 12))
            await weather.strike()
        await asyncio.sleep(LONGEST_SECONDS)
        watching.cancel()
        await _end_all(world, planes)
        return judge

    return run(main(), seed=seed)


async def _live(judge, planes, chance):
    """Dana asks, or asks for more, or gives back."""
    plane = planes[chance.choice(sorted(planes))]
    length = chance.choice((1, 2, 5, 20, LONGEST_SECONDS))
    begun = judge.world.loop.true_time()
    before = len(plane.told)
    step = chance.choice((ask_for(seconds=length), ask_for(seconds=length), revoke))
    await plane.act(step)
    if len(plane.told) > before:
        took = judge.world.loop.true_time() - begun
        judge.promise(plane.told[-1], timedelta(seconds=length) + took)


async def _end_all(world, planes):
    """Set every clock right, end what is left, and see that nothing is."""
    for plane in planes.values():
        await plane.die()
    last = Plane(world, "last")
    await last.boot()
    for grant_id in tuple(world.told):
        world.told.append(grant_id)
        await last.act(revoke)
    await asyncio.sleep(70)
    await last.die()
    assert world.target.grants == {}
    assert world.target.sessions == {}
    await check_nothing_is_left(world)


@pytest.mark.parametrize("part", range(8))
def test_no_schedule_of_steps_makes_anything_last_longer(part, faults_counted):
    """Steps of a second to ten years both ways, sleep, restarts, reboots, two skewed replicas."""
    uses = 0
    for number in range(part, SCHEDULES, 8):
        try:
            judge = play(f"{SEED}/{number}")
        except AssertionError as error:
            pytest.fail(f"PROTEM_FAULT_SEED={SEED}, schedule {number}: {error}")
        assert judge.late == [], f"late uses: PROTEM_FAULT_SEED={SEED}, schedule {number}"
        uses += judge.uses
        faults_counted("schedules of clock steps", 1)
        faults_counted("late uses in them", len(judge.late))
    assert uses > 0
    faults_counted("sessions opened in them", uses)
    faults_counted(f"seed {SEED}", 0)


class BelievesTheWall:
    """A clock as most programs have it: what the wall shows is the time."""

    def __init__(self, read):
        self.mark = read

    def now(self):
        """What the wall shows."""
        return self.mark().moment

    def check_steady(self):
        """It never doubts."""

    def behind(self):
        """Never."""
        return ZERO

    def learn(self, mark):
        """It learns nothing."""


def test_a_clock_that_believes_the_wall_is_found_out(monkeypatch):
    """The same schedules with such a clock show late uses, so the judge can see them."""
    monkeypatch.setattr(Plane, "clock_on", BelievesTheWall)
    assert any(play(f"wall/{number}").late for number in range(100))
