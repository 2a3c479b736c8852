"""Read every target back and close the loop: what exists there equals what grants explain.

Here: the periodic look at one target, ending orphans and strays, and the statement of what was
seen. Not here: grants that are due by the clock (reconcile_grants).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.errors import ConflictError, TargetError
from protem.domain.grant_reconciliation import BeginEnding, EndOrphan, ReportStray, plan
from protem.domain.grants import LIVE, Grant
from protem.domain.identifiers import TargetName
from protem.domain.observations import Observation
from protem.ports.connector import CutsStraySessions
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What one look at a target found and did.

    Attributes:
        orphans: marked names that no live grant explained; ended unless listed in ``failed``.
        failed: what could not be ended, with the target's answer.
        strays: sessions whose account was already gone, now cut.
    """

    target: TargetName
    observation: Observation
    orphans: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    strays: int = 0


async def observe_target(around: Surroundings, name: TargetName, *, statement: bool) -> TargetState:
    """Observe one target and end what nothing explains.

    Args:
        around: the ports.
        name: which target.
        statement: put the read-back on record even when it shows nothing out of order.

    Raises:
        TargetError: when the target cannot be read.
        NotFoundError: when it is not declared.
    """
    connector = around.catalogue.connector(name)
    # Law 1 makes this order safe: a grant is on record before its privilege can be seen.
    now = around.clock.now()
    observed = await connector.observe()
    live = await live_grants(around, name)
    orphans, failed, strays = [], [], 0
    for action in plan(live, observed, now):
        match action:
            case EndOrphan(privilege=privilege) if privilege.grant_id is not None:
                orphans.append(privilege.name)
                try:
                    await connector.end(privilege.grant_id)
                except TargetError as error:
                    failed.append((privilege.name, error.message))
            case BeginEnding(grant=grant, cause=cause):
                await _begin_ending(around, grant, cause, now)
            case ReportStray() if strays == 0 and isinstance(connector, CutsStraySessions):
                strays = await connector.cut_strays()
            case _:
                pass  # the reconciler does the rest when it is due
    ended = [name for name in orphans if name not in dict(failed)]
    if statement or orphans or any(seen.deviation for seen in observed.privileges):
        await _state(around, name, observed, ended, now)
    return TargetState(
        target=name,
        observation=observed,
        orphans=tuple(orphans),
        failed=tuple(failed),
        strays=strays,
    )


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


async def _state(
    around: Surroundings,
    name: TargetName,
    observed: Observation,
    orphans: Sequence[str],
    now: datetime,
) -> None:
    """Put the read-back on record: each orphan, and the whole statement."""

    def work(transaction: Transaction) -> None:
        for orphan in orphans:
            transaction.audit.append(audit_events.orphan_ended(name, orphan, now))
        transaction.audit.append(audit_events.target_observed(name, observed, len(orphans), now))

    await around.store.write(work)
    around.announcer.announce()
