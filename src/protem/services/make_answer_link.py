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
    token = around.randomness.token()

    def work(transaction: Transaction) -> Copy | None:
        try:
            person = around.identity.lookup(transaction, person_id)
            if notice.kind is NoticeKind.REVIEW_DUE:
                return _if_owed(around, transaction, notice, person, now)
            if notice.kind is not NoticeKind.REVIEW_WANTED:
                return Copy()
            revision, plain = _asked(around, transaction, notice, person, now)
        except (NotFoundError, ConflictError, DeniedError):
            return None
        if not (plain and channel.answer_by_link) or notice.page_only:
            return Copy()
        link = AnswerLink(
            person=person_id,
            grant_id=revision.grant_id,
            revision=revision.number,
            digest=revision.digest,
            channel=channel.name,
            expires_at=now + LASTS,
        )
        transaction.answer_links.add(fingerprint(token), link)
        path = Secret(f"{ANSWERS}/{token.reveal()}")
        return Copy(way=AnswerWay(path=path, until=link.expires_at))

    return await around.store.write(work)


def _asked(
    around: Surroundings,
    transaction: Transaction,
    notice: Notice,
    person: Principal,
    now: datetime,
) -> tuple[RequestRevision, bool]:
    """Return what they are asked, and whether an answer without a signature would do.

    Raises:
        NotFoundError, ConflictError, DeniedError: they are not asked now.
    """
    grant = transaction.grants.get(_about(notice))
    revision = under_review(transaction, grant, notice.digest or "", now)
    given = transaction.approvals.of(grant.id, revision.number)
    if any(one.person == person.person for one in given):
        raise ConflictError("this person has answered")
    case = review_case(around, transaction, grant, revision, now)
    admitted = admit_reviewer(case, person, Verdict.DENY).principal  # its turn is looked at below
    missing = case.progress(case.count()).missing
    if missing and not any(need.admits(admitted) for need in missing):
        raise DeniedError("others are asked")
    try:
        refuse_unless_signed(case.decision.approvals, admitted, None, grant.id)
    except DeniedError:
        return revision, False
    return revision, True


def _if_owed(
    around: Surroundings, view: Transaction, notice: Notice, person: Principal, now: datetime
) -> Copy | None:
    broken = view.glass.get(_about(notice))
    return Copy() if may_review_glass(around, view, broken, person, now) else None


def _about(notice: Notice) -> GrantId:
    if notice.grant_id is None:
        raise NotFoundError("the notice is about no request")
    return notice.grant_id
