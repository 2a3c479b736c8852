"""Offer less instead of saying no, and take such an offer.

Here: the reviewer's narrower revision with their yes to exactly that, and the requester's
acceptance, which makes it the request. Not here: what may be taken away (``domain.offers``).

Invariants:
- An offer changes nothing until the requester takes it, and stands while the revision that it
  narrows is the current one.
- What is taken is decided anew, by the rules and groups of that moment; of approvals only its own
  reviewer's counts, since no other was for that digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain import grants, review_events
from protem.domain.approvals import Approval, Verdict
from protem.domain.decisions import Outcome, PolicyAction, Signing
from protem.domain.errors import ConflictError, DeniedError, ExpiredError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.offers import MAX_OFFERS, Narrowing, Offer, is_narrower, narrowed
from protem.domain.principals import Principal, PrincipalKind
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.activate_grant import own_grant, standing_decision
from protem.services.check_signatures import OfferedSignature, accept, refuse_unless_signed
from protem.services.count_approvals import ReviewCase, usable_until
from protem.services.review_request import admit_reviewer, refuse_too_early, review_case
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_decided, tell_offered, tell_reviewers


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMade:
    """What the reviewer sends.

    Attributes:
        digest: of the revision that the reviewer saw.
        narrowing: what they take away from it.
        signature: over the digest of the narrower revision, whose number is one more than the
            highest; needed where policy asks that a yes be signed.
    """

    grant_id: GrantId
    digest: str
    narrowing: Narrowing
    comment: str = ""
    signature: OfferedSignature | None = None


async def offer_narrower(around: Surroundings, reviewer: Principal, made: OfferMade) -> Grant:
    """Record a narrower revision with the reviewer's yes to it; the grant stays as it is.

    Raises:
        NotFoundError: no such request.
        ConflictError: it is not pending, it changed, or there are too many offers.
        NotYourTurnError, DeniedError: as for a yes.
        SignatureRequiredError, SignatureRefusedError: as for a yes; it is for the narrower digest.
        InvalidError: when it is not narrower.
    """
    if reviewer.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can review a request")
    around.check_ready_to_grant()
    now = around.clock.now()

    def work(transaction: Transaction) -> Grant:
        grant = transaction.grants.get(made.grant_id)
        asked = _pending(transaction, grant, now)
        if asked.digest != made.digest:
            raise ConflictError(
                f"{grant.id} changed since you saw it; read revision {asked.number} first",
                next_step=f"protem request show {grant.id}",
            )
        case = review_case(around, transaction, grant, asked, now)
        if len(transaction.offers.of(grant.id)) >= MAX_OFFERS:
            raise ConflictError(f"{grant.id} has {MAX_OFFERS} offers; deny it or approve it")
        number = transaction.requests.latest_number(grant.id) + 1
        offered = narrowed(asked, made.narrowing, number=number)
        signature, signed = _signed(case, reviewer, made, offered)
        admitted = admit_reviewer(case, reviewer, Verdict.APPROVE, signed)
        refuse_unless_signed(case.decision.approvals, admitted.principal, signed, grant.id)
        refuse_too_early(case)
        approval = Approval(
            grant_id=grant.id,
            revision=number,
            digest=offered.digest,
            reviewer=reviewer.id,
            verdict=Verdict.APPROVE,
            at=now,
            comment=made.comment,
            signature=signature,
            reviewer_person=admitted.principal.other_person,
        )
        noted = _record(transaction, grant, offered, approval)
        tell_offered(around, transaction, noted, offered, approval)
        return noted

    grant = await around.store.write(work)
    around.announcer.announce(grant.id)
    return grant


async def accept_offer(
    around: Surroundings, principal: Principal, grant_id: GrantId, digest: str
) -> Grant:
    """Take the offer with this digest: it is the request from now on, and may be approved at once.

    Raises:
        NotFoundError: when the request is not the caller's.
        ConflictError: when it is not pending, or no such offer stands.
        PolicyDeniedError: when policy says no to it by now.
        AuditUnavailableError, ClockSteppedBackError: nothing may begin now.
    """
    around.check_ready_to_grant()
    now = around.clock.now()

    def work(transaction: Transaction) -> Grant:
        grant = own_grant(transaction, principal, grant_id)
        asked = _pending(transaction, grant, now)
        offered = _standing_offer(transaction, asked, digest)
        if not is_narrower(offered, asked):
            raise ConflictError(f"revision {offered.number} is not narrower than what was asked")
        return _take(around, transaction, grant, offered, now)

    grant = await around.store.write(work)
    around.announcer.announce(grant_id)
    return grant


def _pending(transaction: Transaction, grant: Grant, now: datetime) -> RequestRevision:
    if grant.state is not GrantState.PENDING:
        raise ConflictError(f"{grant.id} is {grant.state}; offers are for what is pending")
    if now >= grant.lapses_at:
        raise ExpiredError(f"request {grant.id} has lapsed")
    return transaction.requests.get(grant.id, grant.revision)


def _signed(
    case: ReviewCase, reviewer: Principal, made: OfferMade, offered: RequestRevision
) -> tuple[str | None, Signing | None]:
    if made.signature is None:
        return None, None
    signature, signed = accept(
        case.around,
        case.transaction,
        reviewer,
        made.signature,
        digest=offered.digest,
        at=case.at,
    )
    return signature.to_text(), signed


def _record(
    transaction: Transaction, grant: Grant, offered: RequestRevision, approval: Approval
) -> Grant:
    noted = grants.note(grant)
    transaction.requests.add(offered)
    transaction.approvals.add(approval)
    transaction.offers.add(
        Offer(
            grant_id=grant.id,
            revision=offered.number,
            base_revision=grant.revision,
            by=approval.reviewer,
            at=approval.at,
        )
    )
    transaction.grants.save(noted)
    transaction.audit.append(review_events.offered(noted, offered, approval))
    return noted


def _standing_offer(
    transaction: Transaction, asked: RequestRevision, digest: str
) -> RequestRevision:
    for offer in transaction.offers.of(asked.grant_id):
        if offer.base_revision == asked.number:
            offered = transaction.requests.get(asked.grant_id, offer.revision)
            if offered.digest == digest:
                return offered
    raise ConflictError(
        f"there is no such offer on {asked.grant_id} any more",
        next_step=f"protem request show {asked.grant_id}",
    )


def _take(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    offered: RequestRevision,
    now: datetime,
) -> Grant:
    decision, approvals = standing_decision(around, transaction, offered, now, PolicyAction.REQUEST)
    taken = grants.reopen(
        grant,
        revision=offered.number,
        duration=offered.duration,
        lapses_at=offered.begins(now) + around.limits.request_lapses_after,
    )
    transaction.grants.save(taken)
    transaction.audit.append(review_events.offer_accepted(taken, offered, decision, now))
    if decision.outcome is Outcome.ALLOWED:
        taken = grants.approve(
            taken, lapses_at=usable_until(around, offered, decision, approvals, now)
        )
        transaction.grants.save(taken)
        transaction.audit.append(review_events.quorate(taken, approvals, now))
        tell_decided(around, transaction, taken, now, taken.principal)
    elif around.channels:
        case = review_case(around, transaction, taken, offered, now)
        asked = case.progress(case.count()).missing
        tell_reviewers(around, transaction, taken, offered, asked, now)
    return taken
