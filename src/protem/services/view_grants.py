"""Show requests and grants to those who may see them, and to nobody else.

Here: who may see what, one grant whole, and lists page by page. Not here: waiting for changes, and
any wording.

Invariants:
- One may see one's own, what one may approve or revoke, and everything with policy's ``audit``.
- What one may not see is as absent as what never was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from protem.domain.approvals import Approval, ReviewProgress, Verdict
from protem.domain.canonical_json import JsonValue
from protem.domain.comments import Comment
from protem.domain.decisions import Decision, Outcome, PolicyAction
from protem.domain.errors import DeniedError, NotFoundError
from protem.domain.grants import LIVE, Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.offers import Offer
from protem.domain.policy_questions import about_role
from protem.domain.principals import Principal, PrincipalKind
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.ask_policy import ask_policy
from protem.services.count_approvals import ReviewCase
from protem.services.review_request import NotYourTurnError, admit_reviewer, review_case
from protem.services.surroundings import Surroundings

_PAGE = 100
_UNDER_REVIEW = (GrantState.PENDING, GrantState.ACTIVE)
_MOST_LOOKED_AT = 1_000
"""Grants read for one page; a page may be short while more follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A revision with policy's answer to it and the verdicts on it.

    Attributes:
        decision: the canonical decision; of the signed order where there is one, else as of now.
        progress: which stage is open, and who is asked now; None where nobody is asked.
    """

    revision: RequestRevision
    decision: JsonValue
    approvals: Sequence[Approval] = ()
    progress: ReviewProgress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """A narrower revision, and the yes that comes with it."""

    offer: Offer
    revision: RequestRevision
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """All there is to see of a grant.

    Attributes:
        proposed: the extension that waits for approval.
        offers: narrower revisions that the requester may take instead, while it is pending.
        comments: what was said about it, oldest first.
        latest_revision: the highest number, offers included; None: that of the grant.
    """

    grant: Grant
    current: Proposal
    proposed: Proposal | None = None
    offers: Sequence[OfferView] = ()
    comments: Sequence[Comment] = ()
    latest_revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantPage:
    """A page, newest first; ``next`` is what to ask for as ``before``, None at the end."""

    views: Sequence[GrantView]
    next: GrantId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFilter:
    """What a list shall hold.

    Attributes:
        mine: only the caller's own.
        to_review: only what waits for a verdict that the caller may give.
    """

    states: Sequence[GrantState] = ()
    mine: bool = False
    to_review: bool = False
    before: GrantId | None = None
    limit: int = 50


async def view_grant(around: Surroundings, principal: Principal, grant_id: GrantId) -> GrantView:
    """Return one grant.

    Raises:
        NotFoundError: when there is none, or none that the caller may see.
    """
    now = around.clock.now()

    def work(view: Transaction) -> GrantView:
        looker = Looker(around=around, view=view, principal=principal, at=now)
        return looker.whole(looker.visible(grant_id))

    return await around.store.read(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one principal may do about a grant now; whoever does it is asked again.

    Attributes:
        own: it is the principal's own.
        review: a verdict of the principal is waited for.
        revoke: the principal may end it though it is another's.
    """

    own: bool
    review: bool
    revoke: bool


async def rights_on(
    around: Surroundings, principal: Principal, grant_ids: Sequence[GrantId]
) -> Mapping[GrantId, Rights]:
    """Return what the principal may do about grants that it may see; others are left out."""
    now = around.clock.now()

    def work(view: Transaction) -> Mapping[GrantId, Rights]:
        looker = Looker(around=around, view=view, principal=principal, at=now)
        found = map(view.grants.get, grant_ids)
        return {grant.id: looker.rights(grant) for grant in found if looker.may_see(grant)}

    return await around.store.read(work)


async def list_grants(around: Surroundings, principal: Principal, wanted: GrantFilter) -> GrantPage:
    """Return what the caller may see of what matches."""
    now = around.clock.now()
    states = wanted.states
    if wanted.to_review:
        states = (GrantState.PENDING, GrantState.ACTIVE)

    def work(view: Transaction) -> GrantPage:
        looker = Looker(around=around, view=view, principal=principal, at=now)
        found: list[GrantView] = []
        looked_at, before = 0, wanted.before
        while looked_at < _MOST_LOOKED_AT:
            page = view.grants.list(
                states=states,
                principal=principal.id if wanted.mine else None,
                before=before,
                limit=_PAGE,
            )
            for grant in page:
                looked_at, before = looked_at + 1, grant.id
                if looker.wants(grant, wanted):
                    found.append(looker.whole(grant))
                if len(found) == wanted.limit:
                    return GrantPage(views=found, next=before)
            if len(page) < _PAGE:
                return GrantPage(views=found, next=None)
        return GrantPage(views=found, next=before)

    return await around.store.read(work)


@dataclass(slots=True, kw_only=True)
class Looker:
    """One principal's eyes on one consistent view; answers are remembered for that view only."""

    around: Surroundings
    view: Transaction
    principal: Principal
    at: datetime
    _audits: bool | None = field(default=None, init=False)

    def audits(self) -> bool:
        """Say whether policy lets the principal see everything."""
        if self._audits is None:
            question = about_role(PolicyAction.AUDIT, self.principal, self.at)
            self._audits = self.around.policy.decide(question).outcome is Outcome.ALLOWED
        return self._audits

    def visible(self, grant_id: GrantId) -> Grant:
        """Return the grant.

        Raises:
            NotFoundError: absent or not to be seen, with the same words.
        """
        try:
            grant = self.view.grants.get(grant_id)
        except NotFoundError:
            raise _absent(grant_id) from None
        if not self.may_see(grant):
            raise _absent(grant_id)
        return grant

    def may_see(self, grant: Grant) -> bool:
        """Say whether the principal may know of the grant."""
        if grant.principal in (self.principal.id, self.principal.person) or self.audits():
            return True
        revision = self.view.requests.get(grant.id, grant.revision)
        requester = self._requester(grant)
        if requester is not None and requester.person == self.principal.id:
            return True
        return self._may_review(revision, requester) or self._may(
            PolicyAction.REVOKE, revision, requester
        )

    def rights(self, grant: Grant) -> Rights:
        """Return what the principal may do about a grant that it may see."""
        own = grant.principal == self.principal.id
        waits = grant.state is GrantState.PENDING or grant.proposed_revision is not None
        revision = self.view.requests.get(grant.id, grant.revision)
        return Rights(
            own=own,
            review=waits and self._waits_for_me(grant),
            revoke=not own
            and grant.state in LIVE
            and self._may(PolicyAction.REVOKE, revision, self._requester(grant)),
        )

    def wants(self, grant: Grant, wanted: GrantFilter) -> bool:
        """Say whether the grant belongs on the list."""
        if wanted.to_review and not self._waits_for_me(grant):
            return False
        return wanted.mine or wanted.to_review or self.may_see(grant)

    def whole(self, grant: Grant) -> GrantView:
        """Return the grant with its revisions, decisions and verdicts."""
        proposed = None
        if grant.proposed_revision is not None:
            proposed = self._proposal(grant, grant.proposed_revision, PolicyAction.EXTEND)
        return GrantView(
            grant=grant,
            current=self._proposal(grant, grant.revision, PolicyAction.REQUEST),
            proposed=proposed,
            offers=self._offers(grant),
            comments=self.view.comments.of(grant.id),
            latest_revision=self.view.requests.latest_number(grant.id),
        )

    def _offers(self, grant: Grant) -> Sequence[OfferView]:
        if grant.state is not GrantState.PENDING:
            return ()
        return [
            OfferView(
                offer=offer,
                revision=self.view.requests.get(grant.id, offer.revision),
                comment=next(
                    (
                        given.comment
                        for given in self.view.approvals.of(grant.id, offer.revision)
                        if given.reviewer == offer.by
                    ),
                    "",
                ),
            )
            for offer in self.view.offers.of(grant.id)
            if offer.base_revision == grant.revision
        ]

    def _waits_for_me(self, grant: Grant) -> bool:
        if grant.state is GrantState.ACTIVE and grant.proposed_revision is None:
            return False
        if self.principal.kind is not PrincipalKind.PERSON:
            return False
        number = grant.proposed_revision or grant.revision
        if any(
            self.principal.person == given.person or self.principal.id == given.reviewer
            for given in self.view.approvals.of(grant.id, number)
        ):
            return False
        requester = self._requester(grant)
        if requester is None or requester.person == self.principal.person:
            return False
        revision = self.view.requests.get(grant.id, number)
        try:
            case = review_case(self.around, self.view, grant, revision, self.at)
            admit_reviewer(case, self.principal, Verdict.APPROVE)
        except (DeniedError, NotFoundError, NotYourTurnError):
            return False
        return True

    def _proposal(self, grant: Grant, number: int, action: PolicyAction) -> Proposal:
        revision = self.view.requests.get(grant.id, number)
        approvals = self.view.approvals.of(grant.id, number)
        signed, requester = grant.order, self._requester(grant)
        if signed is not None and signed.order.request_digest == revision.digest:
            answer = signed.order.decision
            return Proposal(revision=revision, decision=answer, approvals=approvals)
        if requester is None:
            return Proposal(revision=revision, decision=None, approvals=approvals)
        try:
            decision = ask_policy(self.around, action, revision, principal=requester, at=self.at)
            case = self._case(revision, requester, decision)
            asked = decision.outcome is Outcome.NEEDS_APPROVAL and grant.state in _UNDER_REVIEW
            return Proposal(
                revision=revision,
                decision=decision.to_json(),
                approvals=approvals,
                progress=case.progress(case.count()) if asked else None,
            )
        except NotFoundError:
            return Proposal(revision=revision, decision=None, approvals=approvals)

    def _case(
        self, revision: RequestRevision, requester: Principal, decision: Decision
    ) -> ReviewCase:
        return ReviewCase(
            around=self.around,
            transaction=self.view,
            revision=revision,
            requester=requester,
            decision=decision,
            at=self.at,
        )

    def _requester(self, grant: Grant) -> Principal | None:
        try:
            return self.around.identity.lookup(self.view, grant.principal)
        except NotFoundError:
            return None

    def _may_review(self, revision: RequestRevision, requester: Principal | None) -> bool:
        """Say whether the principal may say something to it, by themselves or for another."""
        if requester is None:
            return self._may(PolicyAction.APPROVE, revision, requester)
        nothing_asked = Decision(outcome=Outcome.NEEDS_APPROVAL)
        try:
            return self._case(revision, requester, nothing_asked).reviewer(self.principal).may
        except NotFoundError:
            return False

    def _may(
        self, action: PolicyAction, revision: RequestRevision, requester: Principal | None
    ) -> bool:
        me, around = self.principal, self.around
        try:
            decision = ask_policy(
                around, action, revision, principal=me, at=self.at, requester=requester
            )
        except NotFoundError:
            return False
        return decision.outcome is Outcome.ALLOWED


def _absent(grant_id: GrantId) -> NotFoundError:
    return NotFoundError(f"there is no grant {grant_id} that you may see")
