"""What a target itself tells: what is there unexplained, who stands beside us, what time it is.

Here: findings from one look at one target. Not here: ending anything; the next observation does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from protem.domain.durations import format_duration
from protem.domain.errors import NotFoundError, TargetError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import format_instant
from protem.domain.observations import MarkedPrivilege, Observation, StandingPrivilege
from protem.domain.targets import Target
from protem.ports.connector import Connector, MendsByHand, ScansStandingPrivileges
from protem.ports.store import Transaction
from protem.services.diagnosis.findings import DoctorFinding, Severity
from protem.services.observe_targets import live_grants, skew_of
from protem.services.surroundings import Surroundings

CLOCK_SKEW = timedelta(seconds=5)
_TIMEOUT_SECONDS = 10


async def at_target(around: Surroundings, target: Target) -> list[DoctorFinding]:
    """Return what one look at the target shows; that it cannot be read is a finding."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            connector = around.catalogue.connector(target.name)
            before = around.clock.now()
            observed = await connector.observe()
            after = around.clock.now()
            live = {grant.id for grant in await live_grants(around, target.name)}
            gone = await _ended_since(around, observed, before)
            found = list(_in_observation(target.name, connector, observed, live | gone))
            found += _in_clock(target.name, skew_of(observed, before, after))
            found += await _standing(target, connector)
            return found
    except TimeoutError:
        why, then = f"did not answer in {_TIMEOUT_SECONDS} s", None
    except (TargetError, NotFoundError) as error:
        why, then = error.message, error.next_step
    also = f"; {then}" if then else ""
    return [
        DoctorFinding(
            severity=Severity.CRITICAL,
            subject=target.name,
            message=f"cannot be read, so grants there can be neither made nor ended: {why}",
            next_step=f"check [targets.{target.name}] and the network path to it{also}",
        )
    ]


async def _ended_since(
    around: Surroundings, observed: Observation, moment: datetime
) -> frozenset[GrantId]:
    """Return the grants seen whose own end came while the target was being read."""

    def work(view: Transaction) -> Iterator[GrantId]:
        for privilege in observed.privileges:
            if privilege.grant_id is not None:
                try:
                    grant = view.grants.get(privilege.grant_id)
                except NotFoundError:
                    continue
                if grant.ended_at is not None and grant.ended_at > moment:
                    yield grant.id

    return await around.store.read(lambda view: frozenset(work(view)))


def _in_observation(
    name: TargetName,
    connector: Connector,
    observed: Observation,
    explained: Iterable[GrantId],
) -> Iterator[DoctorFinding]:
    known = frozenset(explained)
    for privilege in observed.privileges:
        if privilege.grant_id is None:
            yield DoctorFinding(
                severity=Severity.WARNING,
                subject=f"{name}/{privilege.name}",
                message="bears Protem's mark but not whose it is; it is not touched",
                next_step="if no other control plane works there: "
                + _removal(connector, privilege),
            )
        elif privilege.grant_id not in known:
            yield DoctorFinding(
                severity=Severity.CRITICAL if privilege.usable else Severity.WARNING,
                subject=f"{name}/{privilege.name}",
                message="an orphan: no live grant explains this privilege",
                next_step="it is ended at the next look, within seconds; if it stays: "
                + _removal(connector, privilege),
            )
        if privilege.deviation:
            yield DoctorFinding(
                severity=Severity.WARNING,
                subject=f"{name}/{privilege.name}",
                message=f"differs from what was made: {privilege.deviation}",
                next_step=_after_deviation(privilege),
            )
    strays = [session.handle for session in observed.sessions if not session.privilege]
    if strays:
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject=name,
            message=f"live sessions whose account is gone: {', '.join(sorted(strays)[:10])}",
            next_step="they are cut at the next look, within seconds",
        )


def _after_deviation(privilege: MarkedPrivilege) -> str:
    if privilege.grant_id is None:
        return "find out who changed it"
    return f"find out who changed it; in doubt: protem grant revoke {privilege.grant_id}"


def _removal(connector: Connector, privilege: MarkedPrivilege) -> str:
    if isinstance(connector, MendsByHand):
        return connector.removal_by_hand(privilege.name)
    return f"remove {privilege.name} there by hand"


def _in_clock(name: TargetName, skew: timedelta) -> Iterator[DoctorFinding]:
    if abs(skew) > CLOCK_SKEW:
        side = "ahead of" if skew > timedelta(0) else "behind"
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject=name,
            message=f"its clock is {format_duration(abs(skew))} {side} ours: "
            "it may refuse every order, and its deadlines are as wrong",
            next_step="synchronise both machines: chronyc tracking; chronyc makestep",
        )


async def _standing(target: Target, connector: Connector) -> list[DoctorFinding]:
    if not isinstance(connector, ScansStandingPrivileges):
        return []
    return [
        DoctorFinding(
            severity=Severity.NOTE,
            subject=f"{target.name}/{found.name}",
            message=f"a standing privilege: {found.message}; {_use(found)}",
            next_step="if it is a person's, when requests have taken its place"
            + (f": {found.removal}" if found.removal else " take it away"),
        )
        for found in await connector.standing_privileges()
        if found.name not in target.own_logins
    ]


def _use(found: StandingPrivilege) -> str:
    if not found.sessions:
        return "not in use now"
    since = f", since {format_instant(found.in_use_since)}" if found.in_use_since else ""
    plural = "session" if found.sessions == 1 else "sessions"
    return f"in use now by {found.sessions} {plural}{since}"
