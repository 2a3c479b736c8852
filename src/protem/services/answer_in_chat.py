"""Say yes or no from a chat.

Here: one verdict of a person whom the chat's settings name, and the sentence that they read. Not
here: whether the verdict counts (review_request), or proving that the chat sent it.

Invariants: the same rules as on the page, none less: a verdict is on the digest that the message
showed, and is never signed, so where policy asks for a signature it does not count.
"""

from __future__ import annotations

from protem.domain.approvals import Verdict
from protem.domain.errors import ConflictError, ProtemError
from protem.domain.principals import Principal, PrincipalId
from protem.ports.store import Transaction
from protem.services.review_request import NotYourTurnError, Review, review_request
from protem.services.rewrite_messages import outcome_of, verdicts_on
from protem.services.surroundings import Surroundings
from protem.services.view_grants import view_grant

NOT_MAPPED = "Protem does not know you here: an administrator has to name you in its settings."
_DONE = {Verdict.APPROVE: "Your approval is recorded.", Verdict.DENY: "Your refusal is recorded."}


async def answer_in_chat(around: Surroundings, person: PrincipalId | None, review: Review) -> str:
    """Record the verdict if it counts; return what to tell the person."""
    if person is None:
        return NOT_MAPPED
    try:
        principal = await around.store.read(lambda view: around.identity.lookup(view, person))
        await view_grant(around, principal, review.grant_id)  # a stranger learns nothing
        await review_request(around, principal, review)
    except NotYourTurnError as error:
        return f"Not recorded: {error.message}"
    except ConflictError as error:
        why = error.message
        return await around.store.read(lambda view: _late(view, principal, review, why))
    except ProtemError as error:
        return f"Not recorded: {error.message}"
    return _DONE[review.verdict]


def _late(view: Transaction, person: Principal, review: Review, why: str) -> str:
    """Say why a verdict did not count any more; the same one sent twice is the same verdict."""
    given = verdicts_on(view, review.grant_id, review.digest)
    if any(one.reviewer == person.id and one.verdict is review.verdict for one in given):
        return _DONE[review.verdict]
    return f"Not recorded: {outcome_of(view, review.grant_id, review.digest) or why}"
