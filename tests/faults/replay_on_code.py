"""The steps of the model, taken by the real code: the proof that both are the same protocol.

Here: two real reconcilers, the real services, one store, one target and one clock in memory, and a
gate at every port call of a reconciler, so that each step of ``grant_protocol`` lets the code go on
by exactly that much. After each step everything that the model knows is read back from the store,
the target, the network and the tasks, and compared. Not here: which steps (tests choose them).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

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
    BEGINS_ENDING,
    DEAD,
    ENDED,
    ENDS,
    GONE,
    GRACE,
    HOLDS,
    IDLE,
    LIVE,
    MADE,
    NOBODY,
    NOT_ENDED,
    PROVISIONS,
    PUT_OFF,
    REFUSED,
    UNKNOWN,
    USABLE,
    Plane,
    Row,
    Rules,
    State,
    Step,
    Target,
)

from protem.domain.commands import Command
from protem.domain.decisions import Outcome, PolicyAction
from protem.domain.errors import IndeterminateError, RefusedError, RetryLaterError, TargetError
from protem.domain.grants import GrantState
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
_WAITS_AT = {
    HOLDS: DONE,
    **dict.fromkeys((BEGINS_ENDING, PUT_OFF, REFUSED, UNKNOWN, NOT_ENDED), AT_STORE),
    **dict.fromkeys((PROVISIONS, MADE), AT_PROVISION),
    **dict.fromkeys((ENDS, GONE), AT_END),
}


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

    # What is compared.

    def compare(self, step: Step, model: State) -> None:
        """Read everything back.

        Raises:
            DivergedError: when it is not as in the model.
        """
        grant = self.grant
        version, self.version = self.version, grant.version
        self._same("versions written", grant.version - version, step.saves)
        self._same("row", self._row(grant), model.row)
        self._same("target", self._target(), model.target)
        self._same("late end", self.late_end, model.late_end)
        self._same("late call", bool(self.late), model.late is not None)
        self._same("observer at work", bool(self.observer.at_work), model.saw is not None)
        for p, plane in enumerate(self.planes):
            self._compare_plane(f"control plane {p}", plane, model.planes[p])

    def _compare_plane(self, name: str, real: RealPlane, model: Plane) -> None:
        started = real.at_work
        if model.phase == IDLE:
            expected = AT_STORE if model.queued else ""
        else:
            expected = _WAITS_AT[model.phase]
        if model.phase == HOLDS and not started:
            self._same(name, len(real.waiting), 1 + model.queued)
            return
        self._same(name, real.gate.at, expected)
        self._same(f"{name}'s tasks", len(started), (model.phase != IDLE) + model.queued)
        if model.phase == PROVISIONS:
            order = real.gate.call[0].order
            left = (self._left(order.provision_by), self._left(order.expires_at))
            self._same(f"{name}'s order", left, (model.order_left, model.expires_left))

    def _row(self, grant) -> Row:
        if grant.state is GrantState.ENDED:
            return ENDED
        state = "ending" if grant.state is GrantState.STUCK else str(grant.state)
        if state not in LIVE:
            return Row(state=state)
        told = state == "active" and grant.applied_until == grant.expires_at
        owner, lease_left = self._lease()
        return Row(
            state=state,
            expires_left=self._left(grant.expires_at),
            told=told,
            order_left=self._left(grant.order.order.provision_by)
            if state in USABLE and not told
            else -GRACE,
            unsettled_left=self._left(grant.unsettled_until),
            due_left=max(self._left(grant.due_at), 0),
            owner=owner,
            lease_left=lease_left,
            extended=grant.revision > 1,
        )

    def _lease(self) -> tuple[int, int]:
        lease = self.store._tables.leases.get(self.grant_id)
        if lease is None:
            return NOBODY, 0
        left = max(self._left(lease.until), 0)
        owners = [plane.reconciler.owner for plane in self.planes]
        if lease.owner in owners:
            return owners.index(lease.owner), left
        return (DEAD, left) if left else (NOBODY, 0)

    def _target(self) -> Target:
        held = self.connector.target.grants.get(self.grant_id)
        session = bool(self.connector.target.sessions)
        left = -GRACE if held is None else self._left(held.expires_at)
        return Target(present=held is not None, expires_left=left, session=session)

    def _left(self, moment) -> int:
        if moment is None:
            return -GRACE
        ticks, rest = divmod(moment - self.clock.now(), TICK)
        if rest:
            raise DivergedError(f"{rest} is between two ticks")
        return max(ticks, -GRACE)

    @staticmethod
    def _same(what: str, real, model) -> None:
        if real != model:
            raise DivergedError(f"{what}: the code has {real}, the model {model}")


async def replay(rules: Rules, trace: list[tuple[Step | None, State]]) -> RealWorld:
    """Take the steps of ``trace`` with the real code.

    Raises:
        DivergedError: at the first step after which code and model differ; it says which.
    """
    world = RealWorld(rules, trace[0][1].skew)
    await world.begin()
    try:
        for at, ((_, before), (step, after)) in enumerate(pairwise(trace)):
            try:
                await world.take(step, before, after)
                world.compare(step, after)
            except DivergedError as error:
                taken = " > ".join(
                    f"{one.name} {max(one.plane, 0)}" for one, _ in trace[1 : at + 2]
                )
                raise DivergedError(f"{error}\nafter {taken}\nthe model: {after}") from error
    finally:
        await world.close()
    return world


def _person(name: str) -> Principal:
    principal_id = PrincipalId(issuer="local", subject=name)
    return Principal(id=principal_id, display=name, kind=PrincipalKind.PERSON)
