"""Answer a request from a chat, as the person whom the settings know behind the chat's name.

Here: one answer from a chat, and the sentence that its sender reads. Not here: who that is and
whether the chat may be believed (the channel), and whether the answer counts, which is the same as
on a page (review_request).

Invariants:
- The answer is bound to the digest of the message; nothing is looked up in its place.
- The person is looked up and everything is checked at that moment: a message gives no right.
- What the sender may not see is not told apart from what is not there.
- No answer from a chat is signed, so where a signature is asked for none counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from protem.domain.approvals import Verdict
from protem.domain.errors import ConflictError, ExpiredError, NotFoundError, ProtemError
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal, PrincipalId
from protem.ports.store import Transaction
from protem.services.keep_messages import present, verdicts_on
from protem.services.review_request import NotYourTurnError, Review, review_request
from protem.services.surroundings import Surroundings
from protem.services.view_grants import view_grant

_DONE = {Verdict.APPROVE: "Your approval is on record.", Verdict.DENY: "Your denial is on record."}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """One answer.

    Attributes:
        channel: its name in the settings.
        person: whom the settings name for the chat's user.
        digest: of the revision that the message showed.
    """

    channel: str
    person: PrincipalId
    grant_id: GrantId
    digest: str
    verdict: Verdict


async def answer_in_chat(around: Surroundings, answer: ChatAnswer) -> str:
    """Record the answer, if it counts; return what to tell its sender."""
    try:
        return await _answer(around, answer)
    except ProtemError as error:
        return f"Nothing was recorded: {error.message}."


async def _answer(around: Surroundings, answer: ChatAnswer) -> str:
    try:
        person = await around.store.read(
            lambda view: around.identity.lookup(view, answer.person),
        )
    except NotFoundError:
        return "Nothing was recorded: your account here is unknown or disabled."
    await view_grant(around, person, answer.grant_id)  # a stranger learns nothing
    review = Review(
        grant_id=answer.grant_id,
        digest=answer.digest,
        verdict=answer.verdict,
        chat=answer.channel,
    )
    try:
        await review_request(around, person, review)
    except (ExpiredError, NotYourTurnError):
        raise
    except ConflictError as error:
        why = error.message
        return await around.store.read(lambda view: _late(around, view, person, answer, why))
    return _DONE[answer.verdict]


def _late(
    around: Surroundings,
    view: Transaction,
    person: Principal,
    answer: ChatAnswer,
    why: str,
) -> str:
    """Say why an answer did not count any more; the same one sent twice is the same answer."""
    given = verdicts_on(view, answer.grant_id, answer.digest)
    if any(one.reviewer == person.id and one.verdict is answer.verdict for one in given):
        return _DONE[answer.verdict]
    now = present(around, view, answer.grant_id, answer.digest, around.clock.now())
    return f"Nothing was recorded: {now.over or why}."
