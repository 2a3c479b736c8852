"""Plan a command: its scope, policy's answer, what is missing. Touches nothing.

Here: the dry run, and the same first half that ``request_access`` runs. Not here: storing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.commands import Command
from protem.domain.decisions import Decision, tagged_privileges
from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError, NotFoundError, UnplannableError
from protem.domain.evidence import Evidence
from protem.domain.identifiers import GrantId, ProfileName, TargetName
from protem.domain.observations import Capabilities
from protem.domain.plans import Finding, Plan, Trait
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege
from protem.domain.targets import Target
from protem.services.ask_policy import foresee_policy
from protem.services.surroundings import Surroundings

MOST_AHEAD = timedelta(days=7)
"""Who approves something should still know it when it begins."""
_MOST_NAMED = 10
_NO_GRANT = GrantId("0" * 26)
"""A dry run has no grant; its revision is never stored under this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the user typed.

    Attributes:
        profile: ask for a named scope; the command then is the program alone.
        links: what the requester points at as evidence.
        explain: let the target say how it would run the statement, even if no rule asks for it.
        start: not before this moment; None: as soon as it is approved.
    """

    target: TargetName
    command: Command
    duration: timedelta
    reason: str = ""
    ticket: str = ""
    profile: ProfileName | None = None
    links: tuple[str, ...] = ()
    explain: bool = False
    start: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """What would happen."""

    revision: RequestRevision
    decision: Decision
    capabilities: Capabilities


async def plan_command(around: Surroundings, principal: Principal, ask: Ask) -> PlannedRequest:
    """Return scope and decision for ``ask``, as of now.

    Raises:
        NotFoundError: unknown target or profile.
        UnplannableError, InvalidError, RetryLaterError: as the planner says.
    """
    revision = await draft_revision(around, principal, ask, grant_id=_NO_GRANT, number=1)
    now = around.clock.now()
    return PlannedRequest(
        revision=revision,
        decision=foresee_policy(around, revision, principal, now),
        capabilities=around.catalogue.connector(ask.target).capabilities,
    )


async def draft_revision(
    around: Surroundings, principal: Principal, ask: Ask, *, grant_id: GrantId, number: int
) -> RequestRevision:
    """Plan the command and return it as a revision, not yet stored.

    Raises:
        InvalidError: its start is past, or too far away.
        NotFoundError, UnplannableError, RetryLaterError: as planning says.
    """
    _check_start(ask.start, around.clock.now())
    return RequestRevision(
        grant_id=grant_id,
        number=number,
        principal=principal.id,
        target=ask.target,
        command=ask.command,
        plan=await _plan(around, ask),
        duration=ask.duration,
        profile=ask.profile,
        reason=ask.reason,
        ticket=ask.ticket,
        requester_person=principal.other_person,
        evidence=Evidence(links=ask.links),
        start=ask.start,
    )


def _check_start(start: datetime | None, now: datetime) -> None:
    if start is None:
        return
    if start <= now:
        raise InvalidError("the start that was asked for is past; leave it out to begin at once")
    if start - now > MOST_AHEAD:
        raise InvalidError(f"a start is at most {format_duration(MOST_AHEAD)} ahead")


async def _plan(around: Surroundings, ask: Ask) -> Plan:
    """Return the plan, with a sentence for each tag that its scope touches."""
    target = around.catalogue.target(ask.target)
    plan = await _plan_or_profile(around, target, ask)
    notes = tuple(
        Finding(
            code=f"touches_{tag}", message=f"touches what is marked {tag}: {_listed(privileges)}"
        )
        for tag, privileges in sorted(tagged_privileges(plan.scope, target).items())
    )
    return replace(plan, findings=(*notes, *plan.findings))


def _listed(privileges: Sequence[Privilege]) -> str:
    names = sorted({".".join((*found.path, found.part or "*")) for found in privileges})
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


async def _plan_or_profile(around: Surroundings, target: Target, ask: Ask) -> Plan:
    if ask.profile is None:
        try:
            return await around.catalogue.planner(ask.target).plan(ask.command)
        except UnplannableError as error:
            if error.next_step is None and target.profiles:
                names = ", ".join(sorted(target.profiles))
                error.next_step = (
                    f"ask for a profile instead (--profile; {target.name} has {names})"
                )
            raise
    scope = target.profiles.get(ask.profile)
    if scope is None:
        known = ", ".join(sorted(target.profiles)) or "none"
        raise NotFoundError(f"{target.name} has no profile {ask.profile}; it has: {known}")
    note = Finding(
        code="profile",
        message=f"a session under profile {ask.profile}: any statement inside its scope can be run",
    )
    return Plan(scope=scope, traits=frozenset({Trait.PROFILE}), findings=(note,))
