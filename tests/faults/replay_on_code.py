"""The steps of the model and those of the code, side by side: the proof that both are one protocol.

Here: taking a trace with the real code (``stepped_world``), and reading back after each step all
that the model knows, from the store, the target, the network and the tasks. Not here: traces.
"""

from __future__ import annotations

from itertools import pairwise

from tests.faults.gated_planes import (
    AT_END,
    AT_PROVISION,
    AT_STORE,
    DONE,
    DivergedError,
    RealPlane,
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
from tests.faults.stepped_world import TICK, RealWorld

from protem.domain.grants import GrantState

_WAITS_AT = {
    IDLE: "",
    HOLDS: DONE,
    **dict.fromkeys((BEGINS_ENDING, PUT_OFF, REFUSED, UNKNOWN, NOT_ENDED), AT_STORE),
    **dict.fromkeys((PROVISIONS, MADE), AT_PROVISION),
    **dict.fromkeys((ENDS, GONE), AT_END),
}


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
                compare(world, step, after)
            except DivergedError as error:
                taken = " > ".join(
                    f"{one.name} {max(one.plane, 0)}" for one, _ in trace[1 : at + 2]
                )
                raise DivergedError(f"{error}\nafter {taken}\nthe model: {after}") from error
    finally:
        await world.close()
    return world


def compare(world: RealWorld, step: Step, model: State) -> None:
    """Read everything back.

    Raises:
        DivergedError: when it is not as in the model.
    """
    grant = world.grant
    version, world.version = world.version, grant.version
    _same("versions written", grant.version - version, step.saves)
    _same("row", _row(world), model.row)
    _same("target", _target(world), model.target)
    _same("late end", world.late_end, model.late_end)
    _same("late call", bool(world.late), model.late is not None)
    _same("observer at work", bool(world.observer.at_work), model.saw is not None)
    for p, plane in enumerate(world.planes):
        _compare_plane(world, f"control plane {p}", plane, model.planes[p])


def _compare_plane(world: RealWorld, name: str, real: RealPlane, model: Plane) -> None:
    started = real.at_work
    resumes = model.phase == IDLE and model.queued
    if model.phase == HOLDS and not started:
        _same(name, len(real.waiting), 1 + model.queued)
        return
    _same(name, real.gate.at, AT_STORE if resumes else _WAITS_AT[model.phase])
    _same(f"{name}'s tasks", len(started), (model.phase != IDLE) + model.queued)
    if model.phase == PROVISIONS:
        order = real.gate.call[0].order
        left = (_left(world, order.provision_by), _left(world, order.expires_at))
        _same(f"{name}'s order", left, (model.order_left, model.expires_left))


def _row(world: RealWorld) -> Row:
    grant = world.grant
    if grant.state is GrantState.ENDED:
        return ENDED
    state = "ending" if grant.state is GrantState.STUCK else str(grant.state)
    if state not in LIVE:
        return Row(state=state)
    told = state == "active" and grant.applied_until == grant.expires_at
    owner, lease_left = _lease(world)
    return Row(
        state=state,
        expires_left=_left(world, grant.expires_at),
        told=told,
        order_left=_left(world, grant.order.order.provision_by)
        if state in USABLE and not told
        else -GRACE,
        unsettled_left=_left(world, grant.unsettled_until),
        due_left=max(_left(world, grant.due_at), 0),
        owner=owner,
        lease_left=lease_left,
        extended=grant.revision > 1,
    )


def _lease(world: RealWorld) -> tuple[int, int]:
    lease = world.store._tables.leases.get(world.grant_id)
    if lease is None:
        return NOBODY, 0
    left = max(_left(world, lease.until), 0)
    owners = [plane.reconciler.owner for plane in world.planes]
    if lease.owner in owners:
        return owners.index(lease.owner), left
    return (DEAD, left) if left else (NOBODY, 0)


def _target(world: RealWorld) -> Target:
    held = world.connector.target.grants.get(world.grant_id)
    session = bool(world.connector.target.sessions)
    left = -GRACE if held is None else _left(world, held.expires_at)
    return Target(present=held is not None, expires_left=left, session=session)


def _left(world: RealWorld, moment) -> int:
    if moment is None:
        return -GRACE
    ticks, rest = divmod(moment - world.clock.now(), TICK)
    if rest:
        raise DivergedError(f"{rest} is between two ticks")
    return max(ticks, -GRACE)


def _same(what: str, real, model) -> None:
    if real != model:
        raise DivergedError(f"{what}: the code has {real}, the model {model}")
