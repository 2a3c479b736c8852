"""Decide what one person is sent of a notice, and make their own link when they may answer.

Here: whether they are still asked at the moment of sending, and the link. Not here: sending
(deliver_notices), and the answer (answer_by_link).

Invariants:
- A link is made only for a person whose plain yes would count at this moment; where a signature is
  asked for none is made.
- Its token leaves by the return value alone: it is not in the outbox, and kept as a hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain.answer_links import LASTS, AnswerLink, AnswerWay
from protem.domain.approvals import Verdict
from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import ConflictError, DeniedError, NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.notices import Notice, NoticeKind
from protem.domain.principals import Principal, PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.secret import Secret
from protem.ports.store import Transaction
from protem.services.channels import Channel
from protem.services.check_signatures import refuse_unless_signed
from protem.services.review_glass import may_review_glass
from protem.services.review_request import admit_reviewer, review_case, under_review
from protem.services.surroundings import Surroundings

ANSWERS = "/answers"
"""Where the pages of links are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one person is sent.

    Attributes:
        way: their own link, when they may answer by it.
    """

    way: AnswerWay | None = None


async def make_answer_link(
    around: Surroundings, channel: Channel, notice: Notice, person_id: PrincipalId
) -> Copy | None:
    """Return what the person is sent; None when the notice is not, or no longer, for them."""
    now = around.clock.now()

    def look(view: Transaction) -> RequestRevision | None:
        """Return what is asked of them, None for what only tells."""
        person = around.identity.lookup(view, person_id)
        if notice.kind is NoticeKind.REVIEW_DUE:
            _refuse_unless_owed(around, view, notice, person, now)
        if notice.kind is not NoticeKind.REVIEW_WANTED:
            return None
        revision, plain = _asked(around, view, notice, person, now)
        may_link = plain and channel.answer_by_link and not notice.page_only
        return revision if may_link else None

    try:
        revision = await around.store.read(look)
    except (NotFoundError, ConflictError, DeniedError):
        return None
    if revision is None:
        return Copy()
    token = around.randomness.token()
    link = AnswerLink(
        person=person_id,
        grant_id=revision.grant_id,
        revision=revision.number,
        digest=revision.digest,
        channel=channel.name,
        expires_at=now + LASTS,
    )
    await around.store.write(lambda tx: tx.answer_links.add(fingerprint(token), link))
    path = Secret(f"{ANSWERS}/{token.reveal()}")
    return Copy(way=AnswerWay(path=path, until=link.expires_at))


def _asked(
    around: Surroundings, view: Transaction, notice: Notice, person: Principal, now: datetime
) -> tuple[RequestRevision, bool]:
    """Return what they are asked, and whether an answer without a signature would do.

    Raises:
        NotFoundError, ConflictError, DeniedError: they are not asked now.
    """
    grant = view.grants.get(_about(notice))
    revision = under_review(view, grant, notice.digest or "", now)
    given = view.approvals.of(grant.id, revision.number)
    if any(one.person == person.person for one in given):
        raise ConflictError("this person has answered")
    case = review_case(around, view, grant, revision, now)
    admitted = admit_reviewer(case, person, Verdict.DENY).principal  # its turn is looked at below
    missing = case.progress(case.count()).missing
    if missing and not any(need.admits(admitted) for need in missing):
        raise DeniedError("others are asked")
    try:
        refuse_unless_signed(case.decision.approvals, admitted, None, grant.id)
    except DeniedError:
        return revision, False
    return revision, True


def _refuse_unless_owed(
    around: Surroundings, view: Transaction, notice: Notice, person: Principal, now: datetime
) -> None:
    if not may_review_glass(around, view, view.glass.get(_about(notice)), person, now):
        raise DeniedError("the review is not theirs to give")


def _about(notice: Notice) -> GrantId:
    if notice.grant_id is None:
        raise NotFoundError("the notice is about no request")
    return notice.grant_id
