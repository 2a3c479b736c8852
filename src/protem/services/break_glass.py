"""Break the glass: access in an emergency, without anybody's approval and never in silence.

Here: the checks, the alarm, and then request, decision, activation and the review that is owed in
one transaction. Not here: the review (review_glass) and codes to sign in with (glass_codes).

Invariants:
- Every channel is tried before anything is granted; that all of them fail stops nothing, and the
  outcomes are in the log entry of the grant.
- The log must be writable (law 5), policy must allow it, and only persons may do it.
- It lasts no longer than policy and the settings allow, and is never extended.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import audit_events, glass_events, grants
from protem.domain.broken_glass import AlarmOutcome, BrokenGlass, check_reason
from protem.domain.decisions import Decision, Outcome, PolicyAction, refuse_if_denied
from protem.domain.durations import format_duration
from protem.domain.errors import ConflictError, DeniedError, InvalidError
from protem.domain.grants import GrantState
from protem.domain.identifiers import TargetName
from protem.domain.notices import Notice, NoticeKind
from protem.domain.orders import PublicHalf
from protem.domain.principals import Principal, PrincipalKind
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.activate_grant import Standing, activate_in
from protem.services.ask_policy import ask_policy
from protem.services.plan_command import Ask, draft_revision
from protem.services.request_access import AccessRequested, new_grant
from protem.services.sound_alarm import sound_alarm, tell_later
from protem.services.surroundings import Surroundings

_MOST_COMMAND = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """What the user typed.

    Attributes:
        confirmed: the target's name once more, typed on its own.
    """

    ask: Ask
    confirmed: str
    public_half: PublicHalf


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken:
    """The grant on its way, and who was told before."""

    asked: AccessRequested
    alarms: tuple[AlarmOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alarmed:
    """The alarm that was raised, and what came of it."""

    notice: Notice
    outcomes: tuple[AlarmOutcome, ...]


async def break_glass(
    around: Surroundings, principal: Principal, emergency: Emergency
) -> GlassBroken:
    """Raise the alarm, then put everything on record and start the grant.

    Raises:
        InvalidError: no reason, or another name than the target's was typed.
        DeniedError: not a person, or longer than the settings allow.
        PolicyDeniedError: policy does not allow it; this too is on record, and nobody is alarmed.
        NotFoundError, UnplannableError, RetryLaterError: as planning says.
        AuditUnavailableError, ClockSteppedBackError: nothing may begin now.
    """
    around.check_ready_to_grant()
    _check(around, principal, emergency)
    began = around.clock.now()
    grant_id = around.randomness.grant_id(began)
    drafted = await draft_revision(around, principal, emergency.ask, grant_id=grant_id, number=1)
    revision = replace(drafted, break_glass=True)
    first = await around.store.read(lambda view: _decide(around, view, revision, began))
    alarmed: _Alarmed | None = None
    if first.outcome is Outcome.ALLOWED:
        notice = _notice(principal, revision, began)
        alarmed = _Alarmed(notice=notice, outcomes=await sound_alarm(around, notice))
    now = around.clock.now()

    def work(transaction: Transaction) -> AccessRequested:
        return _record(around, transaction, revision, emergency.public_half, alarmed, now)

    asked = await around.store.write(work)
    around.announcer.announce(grant_id)
    if asked.grant.state is GrantState.PROVISIONING:
        around.work_queue.hand_over(asked.grant)
    refuse_if_denied(asked.decision)
    return GlassBroken(asked=asked, alarms=alarmed.outcomes if alarmed else ())


def refuse_extension(revision: RequestRevision) -> None:
    """Return unless the glass was broken for this grant.

    Raises:
        DeniedError: when it was: each break of the glass is its own.
    """
    if revision.break_glass:
        raise DeniedError(
            "a grant that the glass was broken for is not extended; break the glass again",
            next_step=f"protem run --break-glass --on {revision.target} ...",
        )


def _check(around: Surroundings, principal: Principal, emergency: Emergency) -> None:
    if principal.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can break the glass")
    ask, longest = emergency.ask, around.limits.glass_longest
    if TargetName(emergency.confirmed) != ask.target:
        raise InvalidError(
            "the name that was typed is not the target's",
            next_step=f"--confirm-target {ask.target}",
        )
    check_reason(ask.reason)
    if ask.start is not None:
        raise InvalidError("an emergency begins at once; leave the start out")
    if ask.duration > longest:
        raise DeniedError(
            f"broken glass lasts at most {format_duration(longest)} here",
            next_step=f"--for {format_duration(longest)}",
        )


def _decide(
    around: Surroundings, view: Transaction, revision: RequestRevision, at: datetime
) -> Decision:
    requester = around.identity.lookup(view, revision.principal)
    return ask_policy(around, PolicyAction.BREAK_GLASS, revision, principal=requester, at=at)


def _record(
    around: Surroundings,
    transaction: Transaction,
    revision: RequestRevision,
    public_half: PublicHalf,
    alarmed: _Alarmed | None,
    now: datetime,
) -> AccessRequested:
    """Decide with the requester of now, and write everything together."""
    decision = _decide(around, transaction, revision, now)
    grant = new_grant(around, revision, now)
    transaction.grants.add(grant)
    transaction.requests.add(revision)
    transaction.audit.append(audit_events.requested(grant, revision, decision, now))
    if decision.outcome is not Outcome.ALLOWED:
        grant = grants.deny(grant, at=now)
        transaction.grants.save(grant)
        transaction.audit.append(audit_events.closed_unused(grant, now, "policy"))
        return AccessRequested(grant=grant, revision=revision, decision=decision)
    if alarmed is None:
        raise ConflictError("policy changed a moment ago, and nobody was alarmed; try again")
    grant = grants.approve(grant, lapses_at=now + around.limits.approval_lapses_after)
    transaction.grants.save(grant)
    transaction.audit.append(glass_events.glass_broken(grant, decision, now, alarmed.outcomes))
    tell_later(transaction, alarmed.notice, alarmed.outcomes)
    transaction.glass.add(
        BrokenGlass(
            grant_id=grant.id,
            person=revision.person,
            target=grant.target,
            broken_at=now,
            review_within=around.limits.glass_review_within,
        )
    )
    standing = Standing(revision=revision, decision=decision, at=now)
    grant = activate_in(around, transaction, grant, public_half, standing)
    return AccessRequested(grant=grant, revision=revision, decision=decision)


def _notice(principal: Principal, revision: RequestRevision, at: datetime) -> Notice:
    """Return the alarm; it says no more than the request does."""
    command = shlex.join(revision.command.argv)[:_MOST_COMMAND]
    lines = [
        ("who", f"{principal.display} ({principal.id})"),
        ("where", str(revision.target)),
        ("why", revision.reason),
        ("ticket", revision.ticket),
        ("evidence", "\n".join(revision.evidence.links)),
        ("command", command),
        ("profile", revision.profile or ""),
        ("for", format_duration(revision.duration)),
    ]
    return Notice(
        id=f"glass-{revision.grant_id}",
        kind=NoticeKind.BREAK_GLASS,
        at=at,
        title=f"{principal.display} breaks the glass at {revision.target}",
        lines=tuple((label, text) for label, text in lines if text),
        grant_id=revision.grant_id,
        target=revision.target,
        digest=revision.digest,
        path=f"/requests/{revision.grant_id}",
    )
