"""Move an active grant's expiry: a new decision on the same grant, before it ends (law 9).

Here: the longer revision, decided by policy's ``extend`` action; applied at once, or proposed to
approvers while the grant runs on to its own end. Not here: telling the target; the reconciler does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain import audit_events, grants
from protem.domain.decisions import Decision, Outcome, PolicyAction, refuse_if_denied
from protem.domain.durations import check_duration
from protem.domain.errors import ConflictError
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId
from protem.domain.notices import open_requirements
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.activate_grant import Standing, own_grant, sign_order
from protem.services.ask_policy import ask_policy
from protem.services.break_glass import refuse_extension
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_reviewers


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionAsked:
    """The grant, and what policy said about its longer revision."""

    grant: Grant
    revision: RequestRevision
    decision: Decision


async def extend_grant(
    around: Surroundings, principal: Principal, grant_id: GrantId, by: timedelta, reason: str = ""
) -> ExtensionAsked:
    """Ask to end ``by`` later than now planned.

    Raises:
        NotFoundError: when it is not the caller's.
        ConflictError: when it is not active, or an extension is already proposed.
        ExpiredError: at or after its expiry.
        DeniedError: when the glass was broken for it.
        PolicyDeniedError: when policy does not allow the total length.
        AuditUnavailableError, ClockSteppedBackError: nothing may begin now.
    """
    check_duration(by)
    around.check_ready_to_grant()
    now = around.clock.now()

    def work(transaction: Transaction) -> ExtensionAsked:
        grant = own_grant(transaction, principal, grant_id)
        refuse_extension(transaction.requests.get(grant.id, grant.revision))
        if grant.proposed_revision is not None:
            raise ConflictError(f"an extension of {grant.id} already waits for approval")
        current = transaction.requests.get(grant.id, grant.revision)
        revision = replace(
            current,
            number=transaction.requests.latest_number(grant.id) + 1,
            duration=check_duration(current.duration + by),
            reason=reason or current.reason,
        )
        return _decide(around, transaction, grant, revision, now)

    asked = await around.store.write(work)
    around.announcer.announce(grant_id)
    return asked


def _decide(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    revision: RequestRevision,
    now: datetime,
) -> ExtensionAsked:
    requester = around.identity.lookup(transaction, revision.principal)
    decision = refuse_if_denied(
        ask_policy(around, PolicyAction.EXTEND, revision, principal=requester, at=now)
    )
    proposed = grants.propose_extension(grant, at=now, revision=revision.number)
    transaction.requests.add(revision)
    transaction.grants.save(proposed)
    transaction.audit.append(audit_events.revised(proposed, revision, decision, now))
    if decision.outcome is Outcome.ALLOWED:
        standing = Standing(revision=revision, decision=decision, at=now)
        proposed = extend_in(around, transaction, proposed, standing)
    else:
        tell_reviewers(around, transaction, proposed, revision, open_requirements(decision), now)
    return ExtensionAsked(grant=proposed, revision=revision, decision=decision)


def extend_in(
    around: Surroundings, transaction: Transaction, grant: Grant, standing: Standing
) -> Grant:
    """Apply an allowed extension inside a transaction."""
    now, revision = standing.at, standing.revision
    longer = grants.extend(grant, at=now, revision=revision.number, duration=revision.duration)
    longer = grants.with_order(longer, sign_order(around, longer, standing))
    transaction.grants.save(longer)
    transaction.clock.put(around.clock.mark())
    transaction.audit.append(
        audit_events.extended(
            longer, now, str(longer.principal), revision.digest, standing.decision.approvals
        )
    )
    return longer
