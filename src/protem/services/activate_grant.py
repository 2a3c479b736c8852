"""Start an approved grant's clock: the last check, then the intent on record (laws 1, 5, 6, 9).

Here: re-deciding and re-counting approvals in the activating transaction, fixing the expiry,
signing the order. Not here: touching the target; the reconciler does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.approvals import Approval, is_quorate
from protem.domain.decisions import Decision, Outcome, PolicyAction, refuse_if_denied
from protem.domain.durations import format_duration
from protem.domain.errors import ConflictError, DeniedError, NotFoundError
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId
from protem.domain.orders import MOST_CLOCK_SKEW, Order, PublicHalf, SignedOrder
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.ask_policy import ask_policy
from protem.services.count_approvals import ReviewCase
from protem.services.surroundings import Surroundings


async def activate_grant(
    around: Surroundings, principal: Principal, grant_id: GrantId, public_half: PublicHalf
) -> Grant:
    """Return the grant in state ``provisioning``; its privilege is on its way.

    Raises:
        NotFoundError: when it is not the caller's.
        ConflictError: when it is not approved, or its start is still to come; ``ExpiredError`` when
            the approval lapsed.
        DeniedError: when policy or the approvals no longer allow it.
        AuditUnavailableError, ClockSteppedBackError: nothing may begin now.
    """
    around.check_ready_to_grant()
    now = around.clock.now()

    def work(transaction: Transaction) -> Grant:
        grant = own_grant(transaction, principal, grant_id)
        revision = transaction.requests.get(grant.id, grant.revision)
        decision, approvals = standing_decision(around, transaction, revision, now)
        standing = Standing(revision=revision, decision=decision, approvals=approvals, at=now)
        return activate_in(around, transaction, grant, public_half, standing)

    grant = await around.store.write(work)
    around.announcer.announce(grant.id)
    around.work_queue.hand_over(grant)
    return grant


def own_grant(transaction: Transaction, principal: Principal, grant_id: GrantId) -> Grant:
    """Return the caller's grant; another's is as absent as one that never was."""
    absent = NotFoundError(f"there is no grant {grant_id} of yours")
    try:
        grant = transaction.grants.get(grant_id)
    except NotFoundError:
        raise absent from None
    if grant.principal != principal.id:
        raise absent
    return grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds at one moment: the revision, policy's answer, and the approvals that count."""

    revision: RequestRevision
    decision: Decision
    approvals: tuple[Approval, ...] = ()
    at: datetime


def activate_in(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    public_half: PublicHalf,
    standing: Standing,
) -> Grant:
    """Activate inside a transaction and take the lease on the work that follows."""
    _refuse_before_start(standing)
    active = grants.activate(grant, at=standing.at, public_half=public_half)
    if standing.decision.outcome is not Outcome.ALLOWED:
        raise DeniedError(f"{grant.id} no longer has the approvals it needs; ask again")
    active = grants.with_order(active, sign_order(around, active, standing))
    transaction.grants.save(active)
    transaction.clock.put(around.clock.mark())  # no restart may know less than this expiry does
    reviewers = tuple(approval.reviewer for approval in standing.approvals)
    transaction.audit.append(
        audit_events.activated(
            active,
            standing.at,
            standing.revision.digest,
            reviewers,
            standing.decision.approvals,
        )
    )
    lease_work(around, transaction, active, standing.at)
    return active


def _refuse_before_start(standing: Standing) -> None:
    revision = standing.revision
    if revision.begins(standing.at) > standing.at:
        left = format_duration(revision.begins(standing.at) - standing.at)
        raise ConflictError(
            f"{revision.grant_id} begins in {left}, not before",
            next_step=f"then: protem run --resume {revision.grant_id}",
        )


def lease_work(around: Surroundings, transaction: Transaction, grant: Grant, now: datetime) -> bool:
    """Take the lease on ``grant`` for this process, so that it can be handed over at once.

    Whoever holds it already, this process too, sees the change when it records what it did.
    """
    return transaction.work.take(
        grant.id, now=now, until=now + around.limits.lease, owner=around.work_queue.owner
    )


def standing_decision(
    around: Surroundings,
    transaction: Transaction,
    revision: RequestRevision,
    now: datetime,
    action: PolicyAction = PolicyAction.REQUEST,
) -> tuple[Decision, tuple[Approval, ...]]:
    """Decide again with the groups and rules of now, counting who is still eligible.

    Returns:
        The decision, whose outcome is ``allowed`` when the eligible approvals suffice, and these
        approvals.

    Raises:
        PolicyDeniedError: when policy says no whatever the approvals.
        NotFoundError: when the requester is unknown or disabled.
    """
    requester = around.identity.lookup(transaction, revision.principal)
    decision = refuse_if_denied(ask_policy(around, action, revision, principal=requester, at=now))
    if decision.outcome is Outcome.ALLOWED:
        return decision, ()
    case = ReviewCase(
        around=around,
        transaction=transaction,
        revision=revision,
        requester=requester,
        decision=decision,
        at=now,
    )
    counted = case.count()
    if is_quorate(decision.approvals, counted.approvers, requester, counted.signed):
        decision = replace(decision, outcome=Outcome.ALLOWED)
    return decision, counted.approvals


def sign_order(around: Surroundings, grant: Grant, standing: Standing) -> SignedOrder:
    """Return the self-contained order for the connector."""
    if grant.expires_at is None:
        raise ConflictError(f"{grant.id} is not active and has no order")
    is_signed = any(approval.signature for approval in standing.approvals)
    order = Order(
        grant_id=grant.id,
        target=grant.target,
        principal=grant.principal,
        scope=standing.revision.plan.scope,
        expires_at=grant.expires_at,
        issued_at=standing.at,
        provision_by=last_moment(standing.at + around.limits.lease),
        request_digest=standing.revision.digest,
        decision=standing.decision.to_json(),
        approvals=tuple(approval.to_json() for approval in standing.approvals),
        request=standing.revision.to_json() if is_signed else None,
    )
    return signed(around, order)


def last_moment(lease_until: datetime) -> datetime:
    """Return until when an order sent under that lease may be taken, by any clock we accept."""
    return lease_until - MOST_CLOCK_SKEW


def signed(around: Surroundings, order: Order) -> SignedOrder:
    """Return ``order`` with the control plane's signature."""
    return SignedOrder(
        order=order,
        key_id=around.order_signer.key_id,
        signature=around.order_signer.sign(order.canonical_bytes()),
    )
