"""The world in which processes die: what outlives them, and a server that does not.

Here: store, target, clock and people; the real services and reconciler over mortal ports. Not here:
what is played (crash_scenarios), where to die (the tests).
"""

from dataclasses import dataclass, field
from datetime import timedelta

from protem.domain.commands import Command
from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction
from protem.domain.errors import (
    ProtemError,
)
from protem.domain.grants import LIVE
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.orders import PublicHalf
from protem.domain.plans import Plan
from protem.domain.principals import Principal, PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.domain.targets import Target
from protem.services.observe_targets import observe_target
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Surroundings
from protem.system.announcer import LocalAnnouncer
from protem.testing.counting_randomness import InsecureCountingRandomness
from protem.testing.crash_points import (
    Life,
    MortalAuditLog,
    MortalConnector,
    MortalSigner,
    MortalStore,
)
from protem.testing.fixed_signer import InsecureFixedSigner
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector, InMemoryTarget
from protem.testing.in_memory_identity import InMemoryIdentity
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.in_memory_policy import FixedRule, InMemoryPolicy
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.manual_clock import ManualClock

NAME = TargetName("orders-db")
LENGTH = timedelta(minutes=15)
ROUNDS = 6
SETTLED = timedelta(seconds=40)
"""Longer than a lease and the clocks' difference: what a dead process began is decided by then."""
HALF = PublicHalf(
    form="scram-sha-256", value=scram_verifier(Secret("x" * 32), b"0123456789abcdef", 1)
)
COMMAND = Command(argv=("psql", "-c", "select id from shop.orders"))
ALONE, REVIEWED = "nobody is asked", "somebody is asked"
SCOPE = Scope([Privilege(kind="table", path=("shop", "orders"), action="SELECT", part="id")])
OWNERS = GroupName("db-owners")


def person(name, *groups):
    """A principal of the local issuer."""
    return Principal(
        id=PrincipalId(issuer="local", subject=name),
        display=name,
        groups=frozenset(map(GroupName, groups)),
    )


DANA, OMAR = person("dana"), person("omar", OWNERS)
_YES, _SIGNER = Outcome.ALLOWED, InsecureFixedSigner()
_POLICY = InMemoryPolicy(
    FixedRule(
        id="reviewed",
        action=PolicyAction.REQUEST,
        outcome=Outcome.NEEDS_APPROVAL,
        approvals=(ApprovalRequirement(count=1, groups=frozenset({OWNERS})),),
        when=lambda question: question.reason == REVIEWED,
    ),
    *(
        FixedRule(id=action.value, action=action, outcome=_YES)
        for action in (
            PolicyAction.REQUEST,
            PolicyAction.EXTEND,
            PolicyAction.APPROVE,
            PolicyAction.REVOKE,
        )
    ),
)
_PLANNER = InMemoryPlanner({COMMAND.argv: Plan(scope=SCOPE)})


@dataclass(slots=True)
class World:
    """What outlives every process, and what its users were told.

    Attributes:
        told: grants that somebody was told of.
        told_ended: grants whose end was acknowledged.
        in_flight: calls that dead processes sent.
        points: the names of the points that were passed, life by life.
        played: how many of them the last life had passed when the scenario was over.
    """

    clock: ManualClock = field(default_factory=ManualClock)
    store: InMemoryStore = field(default_factory=InMemoryStore)
    randomness: InsecureCountingRandomness = field(default_factory=InsecureCountingRandomness)
    told: list = field(default_factory=list)
    told_ended: set = field(default_factory=set)
    in_flight: list = field(default_factory=list)
    points: list = field(default_factory=list)
    played: int = 0
    connector: InMemoryConnector = field(init=False)
    server: "Server" = field(init=False)

    def __post_init__(self):
        target = InMemoryTarget(self.clock)
        self.connector = InMemoryConnector(self.clock, name=NAME, target=target)
        self.server = self.boot(None)

    @property
    def target(self):
        """What exists at the target."""
        return self.connector.target

    def boot(self, dies_at):
        """Begin a new life on what the last one left."""
        self.server = Server(self, Life(dies_at))
        self.points.append(self.server.life.points)
        return self.server

    async def deliver(self):
        """Let what was sent and not answered arrive at the target now; it may refuse."""
        for order, half in (*self.in_flight, *self.server.life.sent):
            try:
                await self.connector.provision(order, half)
            except ProtemError:
                continue
            grant = await self.store.read(lambda tx: tx.grants.get(order.order.grant_id))  # noqa: B023  # run at once
            assert grant.state in LIVE, "a late call undid an end"


class Server:
    """One process: the real services and reconciler over mortal ports."""

    def __init__(self, world, life):
        self.world, self.life = world, life
        catalogue = InMemoryCatalogue()
        catalogue.declare(
            Target(name=NAME, scheme="postgresql"), MortalConnector(world.connector, life), _PLANNER
        )
        store = MortalStore(world.store, life)
        self.reconciler = ReconcileGrants(lambda: self.around, owner=f"life {len(world.points)}")
        self.around = Surroundings(
            store=store,
            policy=_POLICY,
            catalogue=catalogue,
            identity=InMemoryIdentity(DANA, OMAR),
            clock=world.clock,
            randomness=world.randomness,
            audit_log=MortalAuditLog(InMemoryAuditLog(world.store), life),
            order_signer=MortalSigner(_SIGNER, life),
            announcer=LocalAnnouncer(),
            work_queue=self.reconciler,
        )

    async def work(self):
        """What the loops do of themselves."""
        await self.reconciler.run_once()
        await observe_target(self.around, NAME, statement=True)
        await self.reconciler.run_once()
        await self.around.audit_log.publish()
