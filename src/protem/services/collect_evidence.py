"""Let the target say something of a statement before anybody approves it, on record as evidence.

Here: which kinds are wanted (by policy, by the requester), the time limit, and what is noted where
one cannot be had. Not here: how a target does it (``ports.connector``), or what policy makes of it:
a request that lacks what a rule asks for is denied by that rule.

Invariants:
- Whoever is refused anyway, by policy or because too much waits, learns nothing of the target.
- Evidence that cannot be had raises nothing: it is noted, with why.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from protem.domain.decisions import Outcome
from protem.domain.errors import TargetError
from protem.domain.evidence import EvidenceKind, Exhibit
from protem.domain.principals import Principal
from protem.domain.request_wording import changed_tables
from protem.domain.requests import RequestRevision
from protem.ports.connector import RehearsesStatements
from protem.services.ask_policy import foresee_policy
from protem.services.refuse_flood import refuse_flood
from protem.services.surroundings import Surroundings

LONGEST_WAIT = timedelta(seconds=10)
"""For one kind; beyond the target's own limits, for a network that swallows what is sent."""


async def collect_evidence(
    around: Surroundings, principal: Principal, revision: RequestRevision, *, explain: bool
) -> RequestRevision:
    """Return ``revision`` with what policy asks for, and an EXPLAIN if the requester wants one.

    Raises:
        ConflictError: so many of the requester's requests wait already that this one cannot.
    """
    now = around.clock.now()
    decision = foresee_policy(around, revision, principal, now)
    wished = {EvidenceKind.EXPLAIN} if explain else set()
    if decision.outcome is Outcome.DENIED or not decision.evidence | wished:
        return revision
    if decision.outcome is Outcome.NEEDS_APPROVAL and revision.number == 1:
        await around.store.read(lambda view: refuse_flood(around, view, revision.principal, more=1))
    exhibits = [
        await _exhibit(around, revision, kind, now) for kind in sorted(decision.evidence | wished)
    ]
    return replace(revision, evidence=replace(revision.evidence, exhibits=tuple(exhibits)))


async def _exhibit(
    around: Surroundings, revision: RequestRevision, kind: EvidenceKind, now: datetime
) -> Exhibit:
    """Return what the target says, or why it says nothing."""
    rehearsal = revision.plan.rehearsal
    connector = around.catalogue.connector(revision.target)
    why = "only for one plain SELECT, INSERT, UPDATE, DELETE or MERGE; ask for that alone"
    if rehearsal is not None:
        why = rehearsal.obstacle(kind)
    if not isinstance(connector, RehearsesStatements):
        why = "this kind of target does not offer it"
    if rehearsal is None or not isinstance(connector, RehearsesStatements) or why:
        return Exhibit(kind=kind, at=now, why_not=why)
    try:
        async with asyncio.timeout(LONGEST_WAIT.total_seconds()):
            said = await connector.rehearse(rehearsal.statement, revision.plan.scope, kind)
            return replace(said, changed=changed_tables(revision.plan))
    except TimeoutError:
        why = f"no answer within {int(LONGEST_WAIT.total_seconds())} seconds; try again"
    except TargetError as error:
        why = error.message
    return Exhibit(kind=kind, at=now, why_not=why)
