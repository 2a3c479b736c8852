"""Answer a request by the link of a mail, as the person whom the link was sent to.

Here: what a link shows, and the one answer by it. Not here: making links (make_answer_link), and
whether the answer counts, which is the same as on a page (review_request).

Invariants:
- Looking uses nothing up: mail scanners follow links.
- Of links that do not count one and the same is said, whatever they were.
- The link goes in the transaction of the answer, and all others of this person to this request.
- The person is looked up, and everything is checked, at that moment: a link gives no right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain.answer_links import AnswerLink
from protem.domain.approvals import Verdict
from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import ConflictError, ExpiredError, NotFoundError
from protem.domain.grants import Grant
from protem.domain.principals import Principal
from protem.domain.secret import Secret
from protem.ports.store import Transaction
from protem.services.review_request import Review, check_may_answer, review_in, under_review
from protem.services.surroundings import Surroundings
from protem.services.view_grants import GrantView, view_grant


class LinkOverError(ExpiredError):
    """The link answers nothing, or nothing any more; why is not said."""

    code = "link_over"

    def __init__(self) -> None:
        super().__init__(
            "this link does not answer anything: it is not whole, was used, or is older than ten"
            " minutes, or the request has changed or is over. An answer that you have just given"
            " by it is on record. Sign in to see what waits for you."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A link that counts, as whom it answers, and the request as that person sees it."""

    link: AnswerLink
    person: Principal
    view: GrantView


async def view_by_link(around: Surroundings, token: Secret) -> Linked:
    """Return what the link would answer; nothing is changed.

    Raises:
        LinkOverError: it does not count.
    """
    now = around.clock.now()
    link, person = await around.store.read(lambda view: _standing(around, view, token, now))
    try:
        view = await view_grant(around, person, link.grant_id)
    except NotFoundError:
        raise LinkOverError from None
    if (view.proposed or view.current).revision.digest != link.digest:
        raise LinkOverError
    return Linked(link=link, person=person, view=view)


async def answer_by_link(
    around: Surroundings, token: Secret, verdict: Verdict, comment: str
) -> Grant:
    """Record the verdict of the link's person on what the link was made for.

    Raises:
        LinkOverError: it does not count.
        NotYourTurnError, DeniedError, SignatureRequiredError: as for an answer on a page; the link
            stays as it was.
        AuditUnavailableError, ClockSteppedBackError: for a yes, when nothing may begin now.
    """
    now = around.clock.now()
    check_may_answer(around, verdict)

    def work(transaction: Transaction) -> Grant:
        link, person = _standing(around, transaction, token, now)
        review = Review(
            grant_id=link.grant_id,
            digest=link.digest,
            verdict=verdict,
            comment=comment,
            by_link=link.channel,
        )
        return review_in(around, transaction, person, review, now)

    grant = await around.store.write(work)
    around.announcer.announce(grant.id)
    return grant


def _standing(
    around: Surroundings, view: Transaction, token: Secret, now: datetime
) -> tuple[AnswerLink, Principal]:
    """Return the link and its person, if it counts at all."""
    try:
        link = view.answer_links.find(fingerprint(token))
        if not link.counts_at(now):
            raise LinkOverError
        person = around.identity.lookup(view, link.person)
        under_review(view, view.grants.get(link.grant_id), link.digest, now)
    except (NotFoundError, ConflictError):
        raise LinkOverError from None
    given = view.approvals.of(link.grant_id, link.revision)
    if any(one.person == person.person for one in given):
        raise LinkOverError
    return link, person
