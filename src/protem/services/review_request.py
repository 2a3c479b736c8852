"""Say yes or no to one exact request.

Here: the reviewer's verdict on a digest, and what follows when there are enough. Not here: who may
review in general; policy's ``approve`` action says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.approvals import Approval, Verdict
from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction, refuse_if_denied
from protem.domain.errors import ConflictError, DeniedError, ExpiredError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal, PrincipalKind
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.activate_grant import Standing, standing_decision
from protem.services.ask_policy import ask_policy
from protem.services.check_signatures import OfferedSignature, accept, refuse_unless_signed
from protem.services.extend_grant import extend_in
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What the reviewer sends.

    Attributes:
        digest: of the revision that the reviewer saw; anything else is refused.
        signature: the reviewer's own, over the digest; of a no it is ignored.
    """

    grant_id: GrantId
    digest: str
    verdict: Verdict
    comment: str = ""
    signature: OfferedSignature | None = None


async def review_request(around: Surroundings, reviewer: Principal, review: Review) -> Grant:
    """Record the verdict; approve, deny or extend when that settles it.

    Raises:
        NotFoundError: no such request.
        ConflictError: it is not under review, the digest is not that of the current revision, or
            this person has reviewed it already.
        DeniedError: the reviewer is the requester, no person, or not allowed by policy.
        SignatureRequiredError: policy asks that this yes be signed, or signed more strongly.
        SignatureRefusedError: the signature that came along does not hold.
        AuditUnavailableError, ClockSteppedBackError: for a yes, when nothing may begin now.
    """
    if reviewer.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can review a request")
    if review.verdict is Verdict.APPROVE:
        around.check_ready_to_grant()  # a yes may extend a grant at once
    now = around.clock.now()

    def work(transaction: Transaction) -> Grant:
        grant = transaction.grants.get(review.grant_id)
        revision = _under_review(transaction, grant, review, now)
        current = _refuse_unless_eligible(around, transaction, reviewer, revision, now)
        needs = _needs(around, transaction, grant, revision, now)
        signature = _signature(around, transaction, current, review, needs, now)
        approval = Approval(
            grant_id=grant.id,
            revision=revision.number,
            digest=review.digest,
            reviewer=reviewer.id,
            verdict=review.verdict,
            at=now,
            comment=review.comment,
            signature=signature,
            reviewer_person=reviewer.acts_for,
        )
        transaction.approvals.add(approval)
        return _settle(around, transaction, grant, revision, approval)

    grant = await around.store.write(work)
    around.announcer.announce(grant.id)
    return grant


def _needs(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    revision: RequestRevision,
    now: datetime,
) -> Sequence[ApprovalRequirement]:
    """Return which approvals policy asks for now; none when it denies, as approvals then show."""
    action = PolicyAction.EXTEND if grant.state is GrantState.ACTIVE else PolicyAction.REQUEST
    requester = around.identity.lookup(transaction, revision.principal)
    return ask_policy(around, action, revision, principal=requester, at=now).approvals


def _signature(
    around: Surroundings,
    transaction: Transaction,
    reviewer: Principal,
    review: Review,
    needs: Sequence[ApprovalRequirement],
    now: datetime,
) -> str | None:
    """Return the signature as it is kept; one that is not asked for is checked all the same."""
    if review.verdict is Verdict.DENY:
        return None  # only a yes is signed
    signature, signed = None, None
    if review.signature is not None:
        signature, signed = accept(
            around, transaction, reviewer, review.signature, digest=review.digest, at=now
        )
    refuse_unless_signed(needs, reviewer, signed, review.grant_id)
    return None if signature is None else signature.to_text()


def _under_review(
    transaction: Transaction, grant: Grant, review: Review, now: datetime
) -> RequestRevision:
    if grant.state is GrantState.PENDING:
        if now >= grant.lapses_at:
            raise ExpiredError(f"request {grant.id} has lapsed")
        number = grant.revision
    elif grant.state is GrantState.ACTIVE and grant.proposed_revision is not None:
        number = grant.proposed_revision
    else:
        raise ConflictError(f"{grant.id} is {grant.state}; there is nothing to review")
    revision = transaction.requests.get(grant.id, number)
    if revision.digest != review.digest:
        raise ConflictError(
            f"{grant.id} changed since you saw it; read revision {number} first",
            next_step=f"protem request show {grant.id}",
        )
    return revision


def _refuse_unless_eligible(
    around: Surroundings,
    transaction: Transaction,
    reviewer: Principal,
    revision: RequestRevision,
    now: datetime,
) -> Principal:
    """Return the reviewer as of now."""
    requester = around.identity.lookup(transaction, revision.principal)
    current = around.identity.lookup(transaction, reviewer.id)
    if current.person == requester.person:
        raise DeniedError("nobody reviews their own request")
    refuse_if_denied(
        ask_policy(
            around, PolicyAction.APPROVE, revision, principal=current, at=now, requester=requester
        )
    )
    return current


def _settle(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    revision: RequestRevision,
    approval: Approval,
) -> Grant:
    """Save what the verdict changes; every verdict raises the version, so entries are in order."""
    extension = grant.state is GrantState.ACTIVE
    if approval.verdict is Verdict.DENY:
        settled = (
            grants.refuse_extension(grant) if extension else grants.deny(grant, at=approval.at)
        )
        return _save(transaction, settled, approval)
    action = PolicyAction.EXTEND if extension else PolicyAction.REQUEST
    decision, approvals = standing_decision(around, transaction, revision, approval.at, action)
    if decision.outcome is not Outcome.ALLOWED:
        return _save(transaction, replace(grant, version=grant.version + 1), approval)
    if not extension:
        lapses_at = approval.at + around.limits.approval_lapses_after
        return _save(transaction, grants.approve(grant, lapses_at=lapses_at), approval)
    noted = _save(transaction, replace(grant, version=grant.version + 1), approval)
    standing = Standing(revision=revision, decision=decision, approvals=approvals, at=approval.at)
    return extend_in(around, transaction, noted, standing)


def _save(transaction: Transaction, grant: Grant, approval: Approval) -> Grant:
    transaction.grants.save(grant)
    transaction.audit.append(audit_events.reviewed(grant, approval))
    return grant
