"""Read every target back and close the loop: what exists there equals what grants explain.

Here: the look at one target, ending orphans and strays, and the statement of what was seen. Not
here: grants that are due by the clock (reconcile_grants), and when to look (the background loops).

Invariants:
- A statement closes a grant only when the look began after the grant was recorded as ended and
  showed nothing of it.
- What ended while the target was being read is no orphan: the next look decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain import audit_events, grants
from protem.domain.errors import ConflictError, NotFoundError, RetryLaterError, TargetError
from protem.domain.grant_reconciliation import BeginEnding, EndOrphan, ReportStray, plan
from protem.domain.grants import LIVE, Grant
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.observations import MarkedPrivilege, Observation, TargetStatement
from protem.ports.connector import Connector, CutsStraySessions
from protem.ports.store import Transaction
from protem.services.attempts import end_in_time
from protem.services.surroundings import Surroundings

LOOK_TIMEOUT = timedelta(seconds=60)
"""One read-back; longer than a call for one grant, because it reads all."""
MOST_CLOSED = 1_000
"""Grants that one entry closes; a look that closes more writes several."""
_PAGE = 1_000
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What one look at a target found and did.

    Attributes:
        orphans: marked names that no grant explained; ended unless listed in ``failed``.
        failed: what could not be ended, with the target's answer.
        strays: sessions whose account was already gone, now cut.
        closed: ended grants that a statement on record now closes.
        skew: how far the target's clock is ahead of ours; negative when behind.
    """

    target: TargetName
    observation: Observation
    orphans: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    strays: int = 0
    closed: tuple[GrantId, ...] = ()
    skew: timedelta = _NOTHING

    @property
    def disorder(self) -> frozenset[str]:
        """What is out of order and stays so; stated when it changes, not at every look."""
        seen = self.observation.privileges
        deviating = (f"{one.name}: {one.deviation}" for one in seen if one.deviation)
        return frozenset(deviating) | {name for name, _ in self.failed}


async def observe_target(
    around: Surroundings,
    name: TargetName,
    *,
    statement: bool,
    ends: Mapping[GrantId, datetime] | None = None,
    before: TargetState | None = None,
) -> TargetState:
    """Observe one target and end what nothing explains.

    Args:
        around: the ports.
        name: which target.
        statement: put the read-back on record even when it shows nothing new.
        ends: grants recorded as ended that no statement closes yet, with when.
        before: the last look; disorder that it stated is not stated again.

    Raises:
        TargetError: when the target cannot be read.
        NotFoundError: when it is not declared.
    """
    connector = around.catalogue.connector(name)
    # Law 1 makes this order safe: a grant is on record before its privilege can be seen.
    began = around.clock.now()
    observed = await read_target(connector)
    skew = skew_of(observed, began, around.clock.now())
    live = await live_grants(around, name)
    orphans: list[MarkedPrivilege] = []
    strays = 0
    # In a thread: with 100,000 grants this takes a while, and others want to be served.
    for action in await asyncio.to_thread(plan, live, observed, began):
        match action:
            case EndOrphan(privilege=privilege):
                orphans.append(privilege)
            case BeginEnding(grant=grant, cause=cause):
                await _begin_ending(around, grant, cause, began)
            case ReportStray() if strays == 0 and isinstance(connector, CutsStraySessions):
                strays = await connector.cut_strays()
            case _:
                pass  # the reconciler does the rest when it is due
    orphans = await _never_explained(around, orphans, began)
    failed = await _end_all(connector, orphans)
    state = TargetState(
        target=name,
        observation=observed,
        orphans=tuple(orphan.name for orphan in orphans),
        failed=failed,
        strays=strays,
        closed=_closed(ends or {}, observed, began),
        skew=skew,
    )
    news = state.disorder - (before.disorder if before else frozenset())
    if statement or state.closed or strays or news or len(orphans) > len(failed):
        await _state(around, state, began)
    return state


async def read_target(connector: Connector) -> Observation:
    """Read the whole target back.

    Raises:
        TargetError: when it cannot be read, or not in time.
    """
    try:
        async with asyncio.timeout(LOOK_TIMEOUT.total_seconds()):
            return await connector.observe()
    except TimeoutError:
        raise RetryLaterError("the target did not answer in time") from None


def skew_of(observed: Observation, before: datetime, after: datetime) -> timedelta:
    """Return how far the target's clock is ahead of ours at least; negative when behind."""
    return max(observed.at - after, _NOTHING) - max(before - observed.at, _NOTHING)


async def live_grants(around: Surroundings, name: TargetName) -> Sequence[Grant]:
    """Return every grant of which something may exist at the target."""
    found: list[Grant] = []
    states = tuple(sorted(LIVE))

    def next_page(view: Transaction) -> Sequence[Grant]:
        before = found[-1].id if found else None
        return view.grants.list(states=states, target=name, before=before, limit=_PAGE)

    while page := await around.store.read(next_page):
        found.extend(page)
    return found


async def _never_explained(
    around: Surroundings, orphans: Sequence[MarkedPrivilege], began: datetime
) -> list[MarkedPrivilege]:
    """Leave out what was seen just before its grant's own end."""

    def ended_meanwhile(view: Transaction, privilege: MarkedPrivilege) -> bool:
        if privilege.grant_id is None:
            return False
        try:
            grant = view.grants.get(privilege.grant_id)
        except NotFoundError:
            return False
        return grant.ended_at is not None and grant.ended_at > began

    if not orphans:
        return []
    return await around.store.read(
        lambda view: [orphan for orphan in orphans if not ended_meanwhile(view, orphan)]
    )


async def _end_all(
    connector: Connector, orphans: Sequence[MarkedPrivilege]
) -> tuple[tuple[str, str], ...]:
    """End each; return those that were not, with the reason."""
    failed = []
    for orphan in orphans:
        if orphan.grant_id is None:
            continue
        try:
            await end_in_time(connector, orphan.grant_id)
        except TargetError as error:
            failed.append((orphan.name, error.message))
    return tuple(failed)


def _closed(
    ends: Mapping[GrantId, datetime], observed: Observation, began: datetime
) -> tuple[GrantId, ...]:
    seen = {privilege.name for privilege in observed.privileges}
    return tuple(
        grant_id
        for grant_id, ended_at in ends.items()
        if ended_at <= began and grant_id.name_at_target not in seen
    )


async def _begin_ending(
    around: Surroundings, grant: Grant, cause: grants.EndCause, now: datetime
) -> None:
    def work(transaction: Transaction) -> None:
        ending = grants.begin_ending(grant, at=now, cause=cause)
        transaction.grants.save(ending)
        transaction.audit.append(audit_events.ending(ending, now, audit_events.SYSTEM))

    try:
        await around.store.write(work)
    except ConflictError:
        return  # it changed meanwhile; the next look sees it as it is then
    around.announcer.announce(grant.id)


async def _state(around: Surroundings, state: TargetState, began: datetime) -> None:
    """Put the read-back on record: each orphan ended, and the whole statement."""
    left = tuple(name for name, _ in state.failed)
    unexplained = frozenset(state.orphans)
    explained = tuple(
        seen.grant_id
        for seen in state.observation.privileges
        if seen.grant_id is not None and seen.name not in unexplained
    )
    batches = [
        state.closed[start : start + MOST_CLOSED]
        for start in range(0, max(1, len(state.closed)), MOST_CLOSED)
    ]

    def work(transaction: Transaction) -> None:
        for orphan in state.orphans:
            if orphan not in left:
                transaction.audit.append(audit_events.orphan_ended(state.target, orphan, began))
        for closes in batches:
            said = TargetStatement(
                began_at=began,
                observation=state.observation,
                explained_by=explained,
                orphans=state.orphans,
                orphans_left=left,
                closes=closes,
                strays=state.strays,
            )
            transaction.audit.append(audit_events.target_observed(state.target, said))

    await around.store.write(work)
    around.announcer.announce()
