"""The model's steps, taken with the real code, one method for each.

Here: two real reconcilers, the real services, one store, one target and one clock in memory, and
the calls that the network holds. Each step lets the code go on by exactly as much as the model
does. Not here: comparing (``replay_on_code``), or choosing steps (tests do).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.faults.gated_planes import (
    AT_END,
    AT_PROVISION,
    AT_STORE,
    DONE,
    DivergedError,
    Gate,
    GatedConnector,
    GatedStore,
    QueueOf,
    RealPlane,
    SlowClock,
    settle,
)
from tests.faults.protocol_state import (
    ENDS,
    GONE,
    HOLDS,
    IDLE,
    MADE,
    NOBODY,
    PROVISIONS,
    Rules,
    State,
    Step,
)

from protem.domain.commands import Command
from protem.domain.decisions import Outcome, PolicyAction
from protem.domain.errors import IndeterminateError, RefusedError, RetryLaterError, TargetError
from protem.domain.identifiers import TargetName
from protem.domain.orders import PublicHalf
from protem.domain.plans import Plan
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.scopes import Privilege, Scope
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.domain.targets import Target as DeclaredTarget
from protem.services.activate_grant import activate_grant
from protem.services.end_grant import end_grant
from protem.services.end_unrecorded import EndUnrecorded
from protem.services.extend_grant import extend_grant
from protem.services.observe_targets import observe_target
from protem.services.plan_command import Ask
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.request_access import request_access
from protem.services.surroundings import Limits, Surroundings
from protem.services.sweep_target import sweep_target
from protem.system.announcer import LocalAnnouncer
from protem.testing.counting_randomness import InsecureCountingRandomness
from protem.testing.fixed_signer import InsecureFixedSigner
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector, InMemoryTarget
from protem.testing.in_memory_identity import InMemoryIdentity
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.in_memory_policy import FixedRule, InMemoryPolicy
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.manual_clock import ManualClock

TICK = timedelta(seconds=5)
NAME = TargetName("orders-db")
PUBLIC_HALF = PublicHalf(
    form="scram-sha-256", value=scram_verifier(Secret("x" * 32), b"0123456789abcdef", 1)
)
COMMAND = Command(argv=("psql", "-c", "select 1"))
SCOPE = Scope([Privilege(kind="table", path=("shop", "orders"), action="SELECT", part="id")])


class RealWorld:
    """Takes the model's steps with the real code."""

    def __init__(self, rules: Rules, skew: int) -> None:
        self.rules = rules
        self.clock = ManualClock()
        self.store = InMemoryStore()
        target = InMemoryTarget(SlowClock(self.clock, skew * TICK))
        self.connector = InMemoryConnector(self.clock, name=NAME, target=target)
        self.dana = _person("dana")
        self.omar = _person("omar")
        self.runs = 0
        self.planes = [self._plane(), self._plane()]
        self.observer = self._plane()
        self.late: tuple = ()
        self.late_end = False
        self.version = 0

    def _plane(self) -> RealPlane:
        gate, reconciler = Gate(), None
        self.runs += 1
        gated = self._surroundings(
            GatedStore(self.store, gate), GatedConnector(gate), lambda: reconciler
        )
        reconciler = ReconcileGrants(lambda: gated, owner=f"run-{self.runs}")
        around = self._surroundings(self.store, self.connector, lambda: reconciler)
        return RealPlane(gate=gate, gated=gated, reconciler=reconciler, around=around)

    def _surroundings(self, store, connector, queue) -> Surroundings:
        catalogue = InMemoryCatalogue()
        planner = InMemoryPlanner({COMMAND.argv: Plan(scope=SCOPE)})
        catalogue.declare(DeclaredTarget(name=NAME, scheme="postgresql"), connector, planner)
        actions = (PolicyAction.REQUEST, PolicyAction.EXTEND, PolicyAction.REVOKE)
        rules = [FixedRule(id=one, action=one, outcome=Outcome.ALLOWED) for one in actions]
        return Surroundings(
            store=store,
            policy=InMemoryPolicy(*rules),
            catalogue=catalogue,
            identity=InMemoryIdentity(self.dana, self.omar),
            clock=self.clock,
            randomness=InsecureCountingRandomness(),
            audit_log=InMemoryAuditLog(self.store),
            order_signer=InsecureFixedSigner(),
            announcer=LocalAnnouncer(),
            work_queue=QueueOf(queue),
            limits=Limits(
                lease=self.rules.lease * TICK,
                retry_first=self.rules.retry * TICK,
                retry_longest=self.rules.retry * TICK,
            ),
        )

    async def begin(self) -> None:
        """Bring the grant to where the model begins."""
        ask = Ask(target=NAME, command=COMMAND, duration=self.rules.term * TICK)
        asked = await request_access(self.planes[0].around, self.dana, ask)
        self.grant_id = asked.grant.id
        self.version = asked.grant.version

    async def close(self) -> None:
        """Leave no task behind."""
        for plane in (*self.planes, self.observer):
            await plane.kill()

    # The steps.

    async def take(self, step: Step, before: State, after: State) -> None:
        """Take one step with the real code."""
        name = "_" + step.name.replace(" ", "_")
        if step.plane == NOBODY:
            await getattr(self, name)(before, after)
        else:
            await getattr(self, name)(self.planes[step.plane], step.plane, before, after)
        await settle()

    async def _activate(self, plane, _p, _before, _after) -> None:
        await activate_grant(plane.around, self.dana, self.grant_id, PUBLIC_HALF)
        plane.hold(plane.handed())

    async def _extend(self, plane, _p, _before, _after) -> None:
        by = self.rules.extension * TICK
        await extend_grant(plane.around, self.dana, self.grant_id, by)

    async def _revoke(self, plane, _p, _before, _after) -> None:
        await end_grant(plane.around, self.omar, self.grant_id)
        plane.hold(plane.handed())

    async def _log_in(self, _before, _after) -> None:
        self.connector.target.open_session(self.grant_id)

    async def _claim(self, plane, _p, _before, _after) -> None:
        plane.gate.is_open = True
        claimed = await plane.reconciler._claim()
        plane.gate.is_open = False
        if not claimed:
            raise DivergedError("there was nothing to claim")
        plane.hold(claimed)

    async def _resume(self, plane, p, _before, after) -> None:
        await plane.gate.let(AT_STORE)
        if after.planes[p].phase != HOLDS:
            await plane.gate.let(DONE)

    async def _begin(self, plane, p, _before, after) -> None:
        if plane.gate.at == DONE:
            await plane.gate.let(DONE)
        elif plane.waiting and not plane.at_work:
            plane.start()
            await settle()
        else:
            raise DivergedError("the code holds nothing")
        phase = after.planes[p].phase
        if phase in (HOLDS, PROVISIONS, IDLE) and plane.gate.at == AT_STORE:
            await plane.gate.let(AT_STORE)  # a lease renewed, or given back
            if phase != HOLDS:
                await plane.gate.let(DONE)

    async def _record(self, plane, p, before, after) -> None:
        if before.planes[p].phase == MADE:
            await plane.gate.let(AT_PROVISION, plane.answer)
        elif before.planes[p].phase == GONE:
            await plane.gate.let(AT_END)
        await plane.gate.let(AT_STORE)
        if after.planes[p].phase != HOLDS:
            await plane.gate.let(DONE)

    async def _target_provisions(self, plane, _p, before, after) -> None:
        if plane.gate.at != AT_PROVISION:
            raise DivergedError("the code does not provision")
        try:
            plane.answer = await self.connector.provision(*plane.gate.call)
        except TargetError as error:
            raise DivergedError("the target does not take the call") from error
        if after.late is not None and before.late is None:
            self.late = plane.gate.call  # a network that will deliver it once more

    async def _target_ends(self, plane, _p, _before, _after) -> None:
        if plane.gate.at != AT_END:
            raise DivergedError("the code does not end")
        await self.connector.end(*plane.gate.call)

    async def _target_puts_off(self, plane, _p, _before, _after) -> None:
        await plane.gate.let(plane.gate.at, RetryLaterError("not now"))

    async def _target_refuses(self, plane, _p, _before, _after) -> None:
        await plane.gate.let(AT_PROVISION, RefusedError("never"))

    async def _give_up(self, plane, p, before, after) -> None:
        self._abandon(plane, p, before, after)
        lost = TimeoutError() if self.version % 2 else IndeterminateError("the answer was lost")
        await plane.gate.let(plane.gate.at, lost)

    async def _crash(self, plane, p, before, after) -> None:
        self._abandon(plane, p, before, after)
        await plane.kill()
        self.planes[p] = self._plane()

    def _abandon(self, plane, p, before, after) -> None:
        """Leave the call to the network, as the trace does."""
        me = before.planes[p]
        if me.phase == PROVISIONS and after.late == (me.order_left, me.expires_left):
            self.late = plane.gate.call
        if me.phase == ENDS:
            self.late_end = True

    async def _late_provision(self, _before, _after) -> None:
        call, self.late = self.late, ()
        try:
            await self.connector.provision(*call)
        except TargetError as error:
            raise DivergedError("the target refuses the late call") from error

    async def _late_end(self, _before, _after) -> None:
        self.late_end = False
        await self.connector.end(self.grant_id)

    async def _end_unrecorded(self, _before, _after) -> None:
        await EndUnrecorded().run_once(self.planes[0].around)

    async def _sweep(self, _before, _after) -> None:
        await sweep_target(self.connector)

    async def _look(self, _before, _after) -> None:
        await self.observer.kill()
        catalogue = self.observer.around.catalogue
        around = replace(self.observer.gated, catalogue=catalogue)
        look = observe_target(around, NAME, statement=False)
        self.observer.tasks = [asyncio.create_task(look)]
        await settle()

    async def _judge(self, _before, _after) -> None:
        gate = self.observer.gate
        gate.is_open = True
        await gate.let(AT_STORE)
        await asyncio.gather(*self.observer.tasks)
        gate.is_open = False

    async def _end_orphan(self, before, after) -> None:
        await self._judge(before, after)

    async def _tick(self, _before, after) -> None:
        self.clock.advance(TICK)
        if after.late is None:
            self.late = ()

    @property
    def grant(self):
        """The grant as stored."""
        return self.store._tables.grants[self.grant_id]


def _person(name: str) -> Principal:
    principal_id = PrincipalId(issuer="local", subject=name)
    return Principal(id=principal_id, display=name, kind=PrincipalKind.PERSON)
