"""Say something about a request without a verdict.

Here: the remark on record, while the request is not over. Not here: who may see the request; the
caller has looked it up as the commenter (``view_grants``).
"""

from __future__ import annotations

from protem.domain import grants, review_events
from protem.domain.comments import MAX_COMMENTS, Comment
from protem.domain.errors import ConflictError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_commented
from protem.services.view_grants import Looker

_OPEN = (GrantState.PENDING, GrantState.APPROVED, GrantState.ACTIVE)


async def comment_request(
    around: Surroundings, author: Principal, grant_id: GrantId, text: str
) -> Grant:
    """Record ``text``; everyone who waits for the request hears of it.

    Raises:
        NotFoundError: when there is no such request that the author may see.
        ConflictError: when it is over, or has as many comments as it may have.
        InvalidError: when the text is empty, too long, or no text.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> Grant:
        looker = Looker(around=around, view=transaction, principal=author, at=now)
        grant = looker.visible(grant_id)
        if grant.state not in _OPEN:
            raise ConflictError(f"{grant.id} is {grant.state}; there is nothing left to say")
        number = len(transaction.comments.of(grant_id)) + 1
        if number > MAX_COMMENTS:
            raise ConflictError(f"{grant.id} has {MAX_COMMENTS} comments; talk elsewhere")
        comment = Comment(grant_id=grant_id, number=number, author=author.id, at=now, text=text)
        noted = grants.note(grant)
        transaction.comments.add(comment)
        transaction.grants.save(noted)
        transaction.audit.append(review_events.commented(noted, comment))
        tell_commented(around, transaction, noted, comment)
        return noted

    grant = await around.store.write(work)
    around.announcer.announce(grant_id)
    return grant
