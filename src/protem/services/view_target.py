"""One target: who could get what there by today's policy, who has what now, who stands beside us.

Here: the answers of policy to a sample of asks, live grants, and people's own privileges. Not here:
what the last look showed (the process keeps that), and doing anything about it.

What policy *would* answer is derived, not known: it is asked now, for each enabled account, about
each profile of the target and about the different requests of late. It may answer otherwise to
other commands, lengths and reasons, and at other hours.

Invariants: it is for those whom policy lets audit, and for the group that the target names as its
owner; the sample is bounded, and what was left out is counted.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.commands import Command
from protem.domain.decisions import Decision, Outcome, PolicyAction, refuse_if_denied
from protem.domain.errors import NotFoundError, TargetError
from protem.domain.grants import LIVE
from protem.domain.identifiers import GrantId, ProfileName, TargetName
from protem.domain.observations import StandingPrivilege
from protem.domain.plans import Plan, Trait
from protem.domain.policy_questions import about_request, about_role
from protem.domain.principals import Principal, PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.targets import Target
from protem.ports.connector import ScansStandingPrivileges
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings
from protem.services.view_grants import GrantView, Looker

OWNER_LABEL = "owner"
MOST_ACCOUNTS = 300
MOST_QUESTIONS = 6_000
MOST_RECORDED = 10
EXAMPLE_DURATION = timedelta(minutes=15)
EXAMPLE_REASON = EXAMPLE_TICKET = "EXAMPLE-1"
_GRANTS_READ = 200
_MOST_LIVE = 200
_STANDING_SECONDS = 10
_NOBODY = PrincipalId(issuer="protem", subject="example")
_NO_GRANT = GrantId("0" * 26)


class Basis(enum.StrEnum):
    """What a sample ask is made from."""

    PROFILE = "profile"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleAccess:
    """Who could get one thing.

    Attributes:
        ask: what was asked; of a profile, an example.
        answers: for everyone whom policy does not deny it, by principal.
        denied: how many it does.
    """

    basis: Basis
    ask: RequestRevision
    answers: Sequence[tuple[Principal, Decision]]
    denied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAccess:
    """All there is to say of access to a target.

    Attributes:
        live: grants of which something may exist there, newest first.
        live_hidden: such grants that the caller may not see.
        accounts_asked: for how many accounts policy was asked.
        accounts_left_out: enabled accounts beyond the bound.
        standing: people's own privileges there; None where it could not be read.
        standing_trouble: why it could not, "" otherwise.
    """

    target: Target
    at: datetime
    possible: Sequence[PossibleAccess] = ()
    live: Sequence[GrantView] = ()
    live_hidden: int = 0
    accounts_asked: int = 0
    accounts_left_out: int = 0
    standing: Sequence[StandingPrivilege] | None = None
    standing_trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the store says."""

    principals: Sequence[Principal]
    left_out: int
    recorded: Sequence[RequestRevision]
    live: Sequence[GrantView]
    live_hidden: int


async def view_target(around: Surroundings, principal: Principal, name: TargetName) -> TargetAccess:
    """Return what there is to say of access to the target, as of now.

    Raises:
        NotFoundError: when it is not declared.
        PolicyDeniedError: when the caller may neither audit nor owns it.
    """
    target, now = around.catalogue.target(name), around.clock.now()
    _check_may_see(around, principal, target, now)
    facts, (standing, trouble) = await asyncio.gather(
        around.store.read(lambda view: _facts(around, view, principal, target, now)),
        _standing(around, target),
    )
    asks = [*_of_profiles(target, facts.recorded), *((Basis.RECORDED, r) for r in facts.recorded)]
    most = min(MOST_ACCOUNTS, MOST_QUESTIONS // max(1, len(asks)))
    asked = facts.principals[:most]
    return TargetAccess(
        target=target,
        at=now,
        possible=await asyncio.to_thread(_ask_all, around, target, now, asks, asked),
        live=facts.live,
        live_hidden=facts.live_hidden,
        accounts_asked=len(asked),
        accounts_left_out=facts.left_out + len(facts.principals) - len(asked),
        standing=standing,
        standing_trouble=trouble,
    )


def _check_may_see(
    around: Surroundings, principal: Principal, target: Target, now: datetime
) -> None:
    if target.labels.get(OWNER_LABEL) in principal.groups:
        return
    refuse_if_denied(around.policy.decide(about_role(PolicyAction.AUDIT, principal, now)))


def _facts(
    around: Surroundings, view: Transaction, principal: Principal, target: Target, now: datetime
) -> _Facts:
    looker = Looker(around=around, view=view, principal=principal, at=now)
    grants = view.grants.list(states=tuple(sorted(LIVE)), target=target.name, limit=_MOST_LIVE)
    seen = [grant for grant in grants if looker.may_see(grant)]
    enabled = [known.principal.id for known in view.accounts.list() if not known.disabled]
    principals = [_as_of_now(around, view, each) for each in enabled[:MOST_ACCOUNTS]]
    return _Facts(
        principals=[principal for principal in principals if principal is not None],
        left_out=max(0, len(enabled) - MOST_ACCOUNTS),
        recorded=_recorded(view, target.name),
        live=[looker.whole(grant) for grant in seen],
        live_hidden=len(grants) - len(seen),
    )


def _as_of_now(
    around: Surroundings, view: Transaction, principal_id: PrincipalId
) -> Principal | None:
    """Return the principal with what only identity knows, such as who is on call."""
    try:
        return around.identity.lookup(view, principal_id)
    except NotFoundError:
        return None


def _recorded(view: Transaction, name: TargetName) -> list[RequestRevision]:
    """Return the newest requests that differ in what they ask for, without who asked and why."""
    found: dict[object, RequestRevision] = {}
    for grant in view.grants.list(target=name, limit=_GRANTS_READ):
        revision = view.requests.get(grant.id, grant.revision)
        if revision.profile is None:
            what = (revision.command.argv[0], revision.plan.scope, revision.plan.traits)
            found.setdefault(what, revision)
        if len(found) == MOST_RECORDED:
            break
    return list(found.values())


def _of_profiles(
    target: Target, recorded: Sequence[RequestRevision]
) -> list[tuple[Basis, RequestRevision]]:
    """Return an example ask for each profile, with the program that people use there."""
    program = next((revision.command.argv[0] for revision in recorded), target.scheme)
    return [
        (Basis.PROFILE, _example(target, profile, program)) for profile in sorted(target.profiles)
    ]


def _example(target: Target, profile: ProfileName, program: str) -> RequestRevision:
    return RequestRevision(
        grant_id=_NO_GRANT,
        number=1,
        principal=_NOBODY,
        target=target.name,
        command=Command(argv=(program,)),
        plan=Plan(scope=target.profiles[profile], traits=frozenset({Trait.PROFILE})),
        duration=EXAMPLE_DURATION,
        profile=profile,
        reason=EXAMPLE_REASON,
        ticket=EXAMPLE_TICKET,
    )


def _ask_all(
    around: Surroundings,
    target: Target,
    now: datetime,
    asks: Sequence[tuple[Basis, RequestRevision]],
    principals: Sequence[Principal],
) -> list[PossibleAccess]:
    possible = []
    for basis, ask in asks:
        asked = replace(
            ask, reason=ask.reason or EXAMPLE_REASON, ticket=ask.ticket or EXAMPLE_TICKET
        )
        answers = []
        for principal in principals:
            question = about_request(
                PolicyAction.REQUEST, asked, principal=principal, target=target, at=now
            )
            decision = around.policy.decide(replace(question, exhibits=None))
            if decision.outcome is not Outcome.DENIED:
                answers.append((principal, decision))
        denied = len(principals) - len(answers)
        possible.append(PossibleAccess(basis=basis, ask=asked, answers=answers, denied=denied))
    return possible


async def _standing(
    around: Surroundings, target: Target
) -> tuple[Sequence[StandingPrivilege] | None, str]:
    try:
        connector = around.catalogue.connector(target.name)
        if not isinstance(connector, ScansStandingPrivileges):
            return None, "this kind of target is not read for them"
        async with asyncio.timeout(_STANDING_SECONDS):
            found = await connector.standing_privileges()
    except TimeoutError:
        return None, f"the target did not answer in {_STANDING_SECONDS} s"
    except (TargetError, NotFoundError) as error:
        return None, error.message
    return [each for each in found if each.name not in target.own_logins], ""
