"""Review what was done behind broken glass: owed each time, by another person.

Here: what is owed, to whom it is shown, and the one verdict. Not here: the break itself.

Invariants: who may approve the request at its target may review it, its own person never; a review
waits until the access is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protem.domain import glass_events
from protem.domain.broken_glass import BrokenGlass, GlassReview, GlassVerdict, reviewed
from protem.domain.decisions import Outcome, PolicyAction, refuse_if_denied
from protem.domain.errors import ConflictError, DeniedError, NotFoundError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.ask_policy import ask_policy
from protem.services.surroundings import Surroundings
from protem.services.view_grants import Looker

MOST_LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassView:
    """One break of the glass as somebody may see it.

    Attributes:
        yours: the one who looks may review it now.
    """

    broken: BrokenGlass
    grant: Grant
    revision: RequestRevision
    due_at: datetime
    overdue: bool
    yours: bool


async def list_glass(
    around: Surroundings, principal: Principal, *, open_only: bool
) -> Sequence[GlassView]:
    """Return what the principal may see: open ones oldest first, or all newest first."""
    now = around.clock.now()

    def work(view: Transaction) -> Sequence[GlassView]:
        looker = Looker(around=around, view=view, principal=principal, at=now)
        return [
            _view(around, view, broken, principal, now)
            for broken in view.glass.list(open_only=open_only, limit=MOST_LISTED)
            if looker.may_see(view.grants.get(broken.grant_id))
        ]

    return await around.store.read(work)


async def show_glass(around: Surroundings, principal: Principal, grant_id: GrantId) -> GlassView:
    """Return one.

    Raises:
        NotFoundError: there is none, or not for these eyes.
    """
    now = around.clock.now()

    def work(view: Transaction) -> GlassView:
        Looker(around=around, view=view, principal=principal, at=now).visible(grant_id)
        return _view(around, view, view.glass.get(grant_id), principal, now)

    return await around.store.read(work)


async def review_glass(
    around: Surroundings,
    reviewer: Principal,
    grant_id: GrantId,
    verdict: GlassVerdict,
    comment: str,
) -> GlassView:
    """Give the one review.

    Raises:
        NotFoundError: there is none, or not for these eyes.
        InvalidError: the comment is empty or too long.
        ConflictError: it is reviewed already, or the access is not over.
        DeniedError: not a person, the same person, or not allowed by policy.
    """
    if reviewer.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can review broken glass")
    now = around.clock.now()
    review = GlassReview(
        reviewer=reviewer.id,
        reviewer_person=reviewer.person,
        verdict=verdict,
        comment=comment,
        at=now,
    )

    def work(transaction: Transaction) -> GlassView:
        looker = Looker(around=around, view=transaction, principal=reviewer, at=now)
        grant = looker.visible(grant_id)
        broken = transaction.glass.get(grant_id)
        if broken.person in (reviewer.id, reviewer.person):
            raise DeniedError("nobody reviews their own break of the glass")
        _refuse_unless_eligible(around, transaction, grant, reviewer, now)
        reviewed(broken, review)
        if grant.state in (GrantState.PROVISIONING, GrantState.ACTIVE):
            raise ConflictError(
                f"{grant_id} is not over yet", next_step=f"protem grant revoke {grant_id}"
            )
        transaction.glass.review(grant_id, review)
        event = glass_events.glass_reviewed(grant_id, grant.target, review, broken.due_at(grant))
        transaction.audit.append(event)
        return _view(around, transaction, transaction.glass.get(grant_id), reviewer, now)

    done = await around.store.write(work)
    around.announcer.announce(grant_id)
    return done


def _refuse_unless_eligible(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    reviewer: Principal,
    now: datetime,
) -> None:
    revision = transaction.requests.get(grant.id, grant.revision)
    current = around.identity.lookup(transaction, reviewer.id)
    answer = ask_policy(
        around,
        PolicyAction.APPROVE,
        revision,
        principal=current,
        at=now,
        requester=_requester(around, transaction, revision.principal),
    )
    refuse_if_denied(answer)


def _requester(around: Surroundings, view: Transaction, principal_id: PrincipalId) -> Principal:
    """Return who broke it, even when the account is gone: the review is owed all the same."""
    try:
        return around.identity.lookup(view, principal_id)
    except NotFoundError:
        pass
    try:
        return view.accounts.get(principal_id).principal
    except NotFoundError:
        return Principal(id=principal_id, display=str(principal_id))


def _view(
    around: Surroundings,
    view: Transaction,
    broken: BrokenGlass,
    principal: Principal,
    now: datetime,
) -> GlassView:
    grant = view.grants.get(broken.grant_id)
    revision = view.requests.get(grant.id, grant.revision)
    return GlassView(
        broken=broken,
        grant=grant,
        revision=revision,
        due_at=broken.due_at(grant),
        overdue=broken.is_overdue(grant, now),
        yours=may_review_glass(around, view, broken, principal, now),
    )


def may_review_glass(
    around: Surroundings,
    view: Transaction,
    broken: BrokenGlass,
    principal: Principal,
    now: datetime,
) -> bool:
    """Say whether the review is owed, and this principal may give it."""
    if broken.review is not None or principal.kind is not PrincipalKind.PERSON:
        return False
    if principal.person == broken.person:
        return False
    revision = view.requests.get(broken.grant_id, view.grants.get(broken.grant_id).revision)
    requester = _requester(around, view, revision.principal)
    try:
        answer = ask_policy(
            around,
            PolicyAction.APPROVE,
            revision,
            principal=principal,
            at=now,
            requester=requester,
        )
    except NotFoundError:  # the target is not declared any more
        return False
    return answer.outcome is Outcome.ALLOWED
