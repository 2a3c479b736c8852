"""Two control planes over one store and one target, on virtual time; each can be stopped.

Here: the world, what its users do through either plane, and clocks for both. Not here: when what is
stopped or set (the tests choose), what must hold (``crash_scenarios.check_quiet``).
"""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta

from tests.faults.crash_world import COMMAND, DANA, HALF, NAME, OMAR, REVIEWED, SCOPE

from protem.bootstrap.background_loops import BackgroundLoops
from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction
from protem.domain.errors import ProtemError
from protem.domain.plans import Plan
from protem.domain.targets import Target
from protem.services.ends_to_attest import EndsToAttest
from protem.services.keep_time import recall_time
from protem.services.plan_command import Ask
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.request_access import request_access
from protem.services.surroundings import Surroundings
from protem.services.take_over_work import take_over_work
from protem.system.announcer import LocalAnnouncer
from protem.system.clock import SystemClock
from protem.testing.counting_randomness import InsecureCountingRandomness
from protem.testing.fixed_signer import InsecureFixedSigner
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector, InMemoryTarget
from protem.testing.in_memory_identity import InMemoryIdentity
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.in_memory_policy import FixedRule, InMemoryPolicy
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.pausing_ports import PausingConnector, PausingStore
from protem.testing.virtual_loop import MachineClocks, TrueClock, VirtualLoop, start_in

A, B = "A", "B"
LATENCY_SECONDS = 0.005
_SIGNER = InsecureFixedSigner()
_ALL = (PolicyAction.REQUEST, PolicyAction.EXTEND, PolicyAction.APPROVE, PolicyAction.REVOKE)
_POLICY = InMemoryPolicy(
    FixedRule(
        id="reviewed",
        action=PolicyAction.REQUEST,
        outcome=Outcome.NEEDS_APPROVAL,
        approvals=(ApprovalRequirement(count=1, groups=OMAR.groups),),
        when=lambda question: question.reason == REVIEWED,
    ),
    *(FixedRule(id=action.value, action=action, outcome=Outcome.ALLOWED) for action in _ALL),
)
_PLANNER = InMemoryPlanner({COMMAND.argv: Plan(scope=SCOPE)})


@dataclass(slots=True)
class World:
    """What both planes share, and what their users were told.

    Attributes:
        clock: the truth; also the judge's.
        target_skew: how far the target's clock is ahead of it.
        points: where either plane met the world so far: plane and name.
        played: those of them that were passed when the scenario was over.
    """

    loop: VirtualLoop
    seed: int
    target_skew: timedelta = timedelta(0)
    store: InMemoryStore = field(default_factory=InMemoryStore)
    randomness: InsecureCountingRandomness = field(default_factory=InsecureCountingRandomness)
    told: list = field(default_factory=list)
    told_ended: set = field(default_factory=set)
    points: list = field(default_factory=list)
    played: list = field(default_factory=list)
    clock: TrueClock = field(init=False)
    connector: InMemoryConnector = field(init=False)

    def __post_init__(self):
        self.clock = TrueClock(self.loop)
        target = InMemoryTarget(TrueClock(self.loop, skew=self.target_skew))
        self.connector = InMemoryConnector(target.clock, name=NAME, target=target)

    @property
    def target(self):
        """What exists at the target."""
        return self.connector.target


class Plane:
    """One control plane: real services and loops over ports with points.

    Its name is the process that all its tasks belong to. It also stands for a world with one server
    in the steps of ``crash_scenarios``.
    """

    clock_on = SystemClock
    """What makes its clock from readings; to be replaced by what must be found out."""

    def __init__(self, world, name, *, machine=None, connector=None, hook=None):
        self.world, self.name = world, name
        self.machine = machine or MachineClocks(world.loop, name=name)
        self._hook = hook
        self._chance = random.Random(f"{world.seed} {name}")
        catalogue = InMemoryCatalogue()
        meeting = PausingConnector(connector or world.connector, self._point)
        catalogue.declare(Target(name=NAME, scheme="postgresql"), meeting, _PLANNER)
        number = world.randomness.grant_id(world.clock.now())
        self.ends = EndsToAttest()
        self.reconciler = ReconcileGrants(
            lambda: self.around, owner=f"{name}:{number}", on_ended=self.ends.note
        )
        store = PausingStore(world.store, self._point)
        self.around = Surroundings(
            store=store,
            policy=_POLICY,
            catalogue=catalogue,
            identity=InMemoryIdentity(DANA, OMAR),
            clock=self.clock_on(self.machine.read),
            randomness=world.randomness,
            audit_log=InMemoryAuditLog(store),
            order_signer=_SIGNER,
            announcer=LocalAnnouncer(),
            work_queue=self.reconciler,
        )
        self.server = self  # for the steps of crash_scenarios
        self.store, self.told, self.told_ended = world.store, world.told, world.told_ended
        self._running = None

    async def _point(self, name):
        """Take a little while, then let the test act."""
        self.world.points.append((self.name, name))
        await asyncio.sleep(self._chance.uniform(0, LATENCY_SECONDS))
        if self._hook is not None:
            await self._hook(self, name)

    def reconcile(self):
        """Run the reconciler alone: nothing is found by looking at the target."""
        self._running = start_in(self.name, self.reconciler.run())

    async def boot(self, *, alone=False):
        """Run all loops, as the server does; ``alone`` it takes over what a dead one had leased."""
        await start_in(self.name, recall_time(self.around.store, self.around.clock))
        if alone:
            await start_in(self.name, take_over_work(self.around))
        loops = BackgroundLoops(around=self.around, reconciler=self.reconciler, ends=self.ends)
        self._running = start_in(self.name, loops.run())

    async def die(self):
        """Stop working, whatever was under way."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def act(self, step):
        """Start what a user does through this plane; its refusal is an answer too."""
        return start_in(self.name, self._answered(step))

    async def _answered(self, step):
        try:
            await step(self)
        except ProtemError as error:
            return error


def ask_for(**length):
    """Dana asks for so long, and nobody else need agree."""

    async def ask(plane):
        asking = Ask(target=NAME, command=COMMAND, duration=timedelta(**length), reason="x")
        asked = await request_access(plane.around, DANA, asking, HALF)
        plane.told.append(asked.grant.id)
        return asked.grant

    return ask


class LateConnector:
    """A network that holds up one chosen call; its sender may give up, it arrives all the same.

    Attributes:
        number: which call of ``kind`` is held up, counting from 1.
    """

    def __init__(self, connector, *, kind, number, seconds):
        self._connector, self._kind, self._seconds = connector, kind, seconds
        self._left = number

    @property
    def capabilities(self):
        """The target's."""
        return self._connector.capabilities

    async def provision(self, order, public_half):
        """Deliver, perhaps late."""
        return await self._deliver("provision", self._connector.provision(order, public_half))

    async def end(self, grant_id):
        """Deliver, perhaps late."""
        await self._deliver("end", self._connector.end(grant_id))

    async def observe(self):
        """Deliver at once."""
        return await self._connector.observe()

    async def close(self):
        """Nothing to let go of."""

    async def _deliver(self, kind, call):
        self._left -= kind == self._kind
        if kind != self._kind or self._left != 0:
            return await call
        under_way = start_in("network", self._later(call))
        under_way.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(under_way)

    async def _later(self, call):
        await asyncio.sleep(self._seconds)
        return await call
