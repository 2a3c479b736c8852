"""Say yes or no to one exact request.

Here: the reviewer's verdict on a digest, and what follows when there are enough. Not here: who may
review in general; policy's ``approve`` action says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.approvals import Approval, Verdict, is_their_turn
from protem.domain.decisions import (
    Outcome,
    PolicyAction,
    Signing,
    refuse_if_denied,
)
from protem.domain.durations import format_duration
from protem.domain.errors import ConflictError, DeniedError, ExpiredError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.instants import format_start
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.request_wording import describe_need
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.activate_grant import Standing, standing_decision
from protem.services.ask_policy import ask_policy
from protem.services.check_signatures import OfferedSignature, accept, refuse_unless_signed
from protem.services.count_approvals import ReviewCase, Reviewer, usable_until
from protem.services.extend_grant import extend_in
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_decided, tell_reviewers


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What the reviewer sends.

    Attributes:
        digest: of the revision that the reviewer saw; anything else is refused.
        signature: the reviewer's own, over the digest; of a no it is ignored.
        by_link: the channel whose link gave the answer; empty: none did.
        by_chat: the channel whose word we take for who the reviewer is; empty: they were signed in.
    """

    grant_id: GrantId
    digest: str
    verdict: Verdict
    comment: str = ""
    signature: OfferedSignature | None = None
    by_link: str = ""
    by_chat: str = ""


class NotYourTurnError(ConflictError):
    """This yes could count later, not now: its stage is not open, or the start is too far away."""

    code = "not_your_turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict, for whom its reviewer stood in when giving it, and by which channel it came."""

    approval: Approval
    through: frozenset[PrincipalId] = frozenset()
    by_link: str = ""
    by_chat: str = ""


async def review_request(around: Surroundings, reviewer: Principal, review: Review) -> Grant:
    """Record the verdict; approve, deny or extend when that settles it.

    Raises:
        NotFoundError: no such request.
        ConflictError: it is not under review, the digest is not that of the current revision, or
            this person has reviewed it already.
        NotYourTurnError: an earlier stage is not met yet, or this yes would be void when the access
            begins; a no is taken all the same.
        DeniedError: the reviewer is the requester, no person, or not allowed by policy.
        SignatureRequiredError: policy asks that this yes be signed, or signed more strongly.
        SignatureRefusedError: the signature that came along does not hold.
        AuditUnavailableError, ClockSteppedBackError: for a yes, when nothing may begin now.
    """
    now = around.clock.now()
    check_may_answer(around, review.verdict)
    grant = await around.store.write(
        lambda transaction: review_in(around, transaction, reviewer, review, now)
    )
    around.announcer.announce(grant.id)
    return grant


def check_may_answer(around: Surroundings, verdict: Verdict) -> None:
    """Return if this verdict may be given now, whoever gives it.

    Raises:
        AuditUnavailableError, ClockSteppedBackError: for a yes, when nothing may begin now.
    """
    if verdict is Verdict.APPROVE:
        around.check_ready_to_grant()  # a yes may extend a grant at once


def review_in(
    around: Surroundings,
    transaction: Transaction,
    reviewer: Principal,
    review: Review,
    now: datetime,
) -> Grant:
    """Record the verdict; the reviewer's links to this request are void from here on.

    Raises: as ``review_request``.
    """
    if reviewer.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can review a request")
    grant = transaction.grants.get(review.grant_id)
    revision = under_review(transaction, grant, review.digest, now)
    case = review_case(around, transaction, grant, revision, now)
    signature, signed = _signature(case, reviewer, review)
    admitted = admit_reviewer(case, reviewer, review.verdict, signed)
    if review.verdict is Verdict.APPROVE:
        refuse_unless_signed(case.decision.approvals, admitted.principal, signed, review.grant_id)
        refuse_too_early(case)
    approval = Approval(
        grant_id=grant.id,
        revision=revision.number,
        digest=review.digest,
        reviewer=reviewer.id,
        verdict=review.verdict,
        at=now,
        comment=review.comment,
        signature=signature,
        reviewer_person=admitted.principal.other_person,
    )
    transaction.approvals.add(approval)
    transaction.answer_links.drop_of(reviewer.id, grant.id)
    said = Said(
        approval=approval,
        through=admitted.through,
        by_link=review.by_link,
        by_chat=review.by_chat,
    )
    return _settle(around, transaction, grant, revision, said)


def _signature(
    case: ReviewCase, reviewer: Principal, review: Review
) -> tuple[str | None, Signing | None]:
    """Return the signature as it is kept, and how strong it is; one not asked for is checked too.

    Raises:
        SignatureRefusedError: it does not hold.
    """
    if review.verdict is Verdict.DENY or review.signature is None:
        return None, None  # only a yes is signed
    signature, signed = accept(
        case.around,
        case.transaction,
        reviewer,
        review.signature,
        digest=review.digest,
        at=case.at,
    )
    return signature.to_text(), signed


def under_review(
    transaction: Transaction, grant: Grant, digest: str, now: datetime
) -> RequestRevision:
    """Return the revision that waits for answers, which is the one with ``digest``.

    Raises:
        ConflictError: there is none, or it is another.
    """
    if grant.state is GrantState.PENDING:
        if now >= grant.lapses_at:
            raise ExpiredError(f"request {grant.id} has lapsed")
        number = grant.revision
    elif grant.state is GrantState.ACTIVE and grant.proposed_revision is not None:
        number = grant.proposed_revision
    else:
        raise ConflictError(f"{grant.id} is {grant.state}; there is nothing to review")
    revision = transaction.requests.get(grant.id, number)
    if revision.digest != digest:
        raise ConflictError(
            f"{grant.id} changed since you saw it; read revision {number} first",
            next_step=f"protem request show {grant.id}",
        )
    return revision


def admit_reviewer(
    case: ReviewCase, reviewer: Principal, verdict: Verdict, signed: Signing | None = None
) -> Reviewer:
    """Return the reviewer as who they may give ``verdict`` now, signed so or not at all.

    Raises:
        DeniedError: for their own request, or when policy does not let them review.
        NotYourTurnError: for a yes that could count for a later stage only.
    """
    current = case.around.identity.lookup(case.transaction, reviewer.id)
    if current.person == case.requester.person:
        raise DeniedError("nobody reviews their own request")
    counted = case.count()
    admitted = case.reviewer(current, counted.spoken - {current.person})
    if not admitted.may and admitted.spoken_for:
        names = ", ".join(sorted(who.subject for who in admitted.spoken_for))
        raise DeniedError(
            f"{names}, for whom you stand in, or another in their place, has answered"
        )
    refuse_if_denied(admitted.answer)
    signatures = dict(counted.signed)
    if signed is not None:
        signatures[admitted.principal.person] = signed
    if verdict is Verdict.APPROVE and not is_their_turn(
        case.decision.approvals, counted.approvers, case.requester, admitted.principal, signatures
    ):
        progress = case.progress(counted)
        raise NotYourTurnError(
            f"stage {progress.stage} is not met yet, and your approval is for a later one;"
            f" asked now: {' and '.join(map(describe_need, progress.missing))}",
            next_step=f"protem request show {case.revision.grant_id}",
        )
    return admitted


def refuse_too_early(case: ReviewCase) -> None:
    """Return if a yes of this moment still counts when the access begins.

    One that does not would make of the request an approval that is given up before its start, and
    nobody gives a second yes to the same revision.

    Raises:
        NotYourTurnError: it is void by then.
    """
    lasts, begins = case.decision.approval_lasts, case.revision.begins(case.at)
    if lasts is not None and begins >= case.at + lasts:
        raise NotYourTurnError(
            f"a yes counts for {format_duration(lasts)} here, and this begins"
            f" {format_start(begins)}; it can be approved after {format_start(begins - lasts)}",
            next_step=f"protem request show {case.revision.grant_id}",
        )


def review_case(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    revision: RequestRevision,
    now: datetime,
) -> ReviewCase:
    """Return what is under review, with policy's answer of now to it."""
    requester = around.identity.lookup(transaction, revision.principal)
    extension = grant.state is GrantState.ACTIVE
    action = PolicyAction.EXTEND if extension else PolicyAction.REQUEST
    return ReviewCase(
        around=around,
        transaction=transaction,
        revision=revision,
        requester=requester,
        decision=ask_policy(around, action, revision, principal=requester, at=now),
        at=now,
    )


def _settle(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    revision: RequestRevision,
    said: Said,
) -> Grant:
    """Save what the verdict changes; every verdict raises the version, so entries are in order."""
    extension, at = grant.state is GrantState.ACTIVE, said.approval.at
    if said.approval.verdict is Verdict.DENY:
        settled = grants.refuse_extension(grant) if extension else grants.deny(grant, at=at)
        saved = _save(transaction, settled, said)
        tell_decided(around, transaction, saved, at, said.approval.reviewer)
        return saved
    action = PolicyAction.EXTEND if extension else PolicyAction.REQUEST
    decision, approvals = standing_decision(around, transaction, revision, at, action)
    if decision.outcome is not Outcome.ALLOWED:
        saved = _save(transaction, replace(grant, version=grant.version + 1), said)
        if around.channels:  # counting again is for telling the next stage alone
            case = review_case(around, transaction, saved, revision, at)
            asked = case.progress(case.count()).missing
            tell_reviewers(around, transaction, saved, revision, asked, at)
        return saved
    if not extension:
        lapses_at = usable_until(around, revision, decision, approvals, at)
        saved = _save(transaction, grants.approve(grant, lapses_at=lapses_at), said)
        tell_decided(around, transaction, saved, at, said.approval.reviewer)
        return saved
    noted = _save(transaction, replace(grant, version=grant.version + 1), said)
    standing = Standing(revision=revision, decision=decision, approvals=approvals, at=at)
    return extend_in(around, transaction, noted, standing)


def _save(transaction: Transaction, grant: Grant, said: Said) -> Grant:
    transaction.grants.save(grant)
    event = audit_events.reviewed(
        grant, said.approval, said.through, by_link=said.by_link, by_chat=said.by_chat
    )
    transaction.audit.append(event)
    return grant
