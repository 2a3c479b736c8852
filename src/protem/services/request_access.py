"""Ask for what a command needs: plan it, let policy decide, put it on record.

Here: the first revision, and at once the whole way to ``provisioning`` when policy asks nobody and
the client sent its public half along. Not here: editing (revise_request) and review.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.decisions import Decision, Outcome, PolicyAction, refuse_if_denied
from protem.domain.grants import Grant, GrantState
from protem.domain.notices import open_requirements
from protem.domain.orders import PublicHalf
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.activate_grant import Standing, activate_in
from protem.services.ask_policy import ask_policy
from protem.services.collect_evidence import collect_evidence
from protem.services.plan_command import Ask, draft_revision
from protem.services.refuse_flood import refuse_flood
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_reviewers


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequested:
    """The request on record."""

    grant: Grant
    revision: RequestRevision
    decision: Decision


async def request_access(
    around: Surroundings, principal: Principal, ask: Ask, public_half: PublicHalf | None = None
) -> AccessRequested:
    """Record the request; approve it when policy needs nobody; activate it when asked to.

    Args:
        around: the ports.
        principal: who asks.
        ask: what.
        public_half: when given, no approval is needed and it begins at once, the grant is activated
            in the same transaction; otherwise it is ignored and the client activates later.

    Raises:
        PolicyDeniedError: when no approval could make it allowed; this too is on record.
        ConflictError: so many of the principal's requests wait already that nobody would look.
        NotFoundError, UnplannableError, InvalidError, RetryLaterError: as planning says.
        AuditUnavailableError, ClockSteppedBackError: nothing may begin now.
    """
    around.check_ready_to_grant()
    grant_id = around.randomness.grant_id(around.clock.now())
    drafted = await draft_revision(around, principal, ask, grant_id=grant_id, number=1)
    revision = await collect_evidence(around, principal, drafted, explain=ask.explain)
    now = around.clock.now()

    def work(transaction: Transaction) -> AccessRequested:
        return _record(around, transaction, revision, public_half, now)

    asked = await around.store.write(work)
    around.announcer.announce(asked.grant.id)
    if asked.grant.state is GrantState.PROVISIONING:
        around.work_queue.hand_over(asked.grant)
    refuse_if_denied(asked.decision)
    return asked


def _record(
    around: Surroundings,
    transaction: Transaction,
    revision: RequestRevision,
    public_half: PublicHalf | None,
    now: datetime,
) -> AccessRequested:
    """Decide with the requester of now, and write request, grant and entries together."""
    requester = around.identity.lookup(transaction, revision.principal)
    decision = ask_policy(around, PolicyAction.REQUEST, revision, principal=requester, at=now)
    grant = new_grant(around, revision, now)
    transaction.grants.add(grant)
    transaction.requests.add(revision)
    transaction.audit.append(audit_events.requested(grant, revision, decision, now))
    if decision.outcome is Outcome.DENIED:
        grant = grants.deny(grant, at=now)
        transaction.grants.save(grant)
        transaction.audit.append(audit_events.closed_unused(grant, now, "policy"))
    elif decision.outcome is Outcome.NEEDS_APPROVAL:
        refuse_flood(around, transaction, grant.principal, more=0)
        tell_reviewers(around, transaction, grant, revision, open_requirements(decision), now)
    elif decision.outcome is Outcome.ALLOWED:
        unused = revision.begins(now) + around.limits.approval_lapses_after
        grant = grants.approve(grant, lapses_at=unused)
        transaction.grants.save(grant)
        transaction.audit.append(audit_events.allowed(grant, decision, now))
        if public_half is not None and revision.begins(now) == now:
            standing = Standing(revision=revision, decision=decision, at=now)
            grant = activate_in(around, transaction, grant, public_half, standing)
    return AccessRequested(grant=grant, revision=revision, decision=decision)


def new_grant(around: Surroundings, revision: RequestRevision, now: datetime) -> Grant:
    """Return the pending grant of a first revision."""
    lapses_at = revision.begins(now) + around.limits.request_lapses_after
    return Grant(
        id=revision.grant_id,
        version=1,
        state=GrantState.PENDING,
        revision=revision.number,
        principal=revision.principal,
        target=revision.target,
        duration=revision.duration,
        requested_at=now,
        lapses_at=lapses_at,
        due_at=lapses_at,
    )
