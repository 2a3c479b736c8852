"""Put what people should know on its way, in the transaction of the change that it tells of.

Here: which notice follows from which change, and which channels it goes to. Not here: what it says
(``domain.notices``) or delivering it (deliver_notices).

Invariants: a notice is kept if and only if its change is; telling never refuses a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain import deliveries, notices
from protem.domain.approvals import Approval
from protem.domain.comments import Comment
from protem.domain.decisions import ApprovalRequirement
from protem.domain.delegations import Delegation
from protem.domain.errors import NotFoundError
from protem.domain.grants import Grant, GrantState
from protem.domain.notices import Notice
from protem.domain.principals import Principal, PrincipalId
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


def tell(around: Surroundings, transaction: Transaction, notice: Notice) -> None:
    """Keep a delivery for every channel that wants the notice, and one for each person's copy."""
    for channel in around.channels:
        if channel.wants(notice):
            for copy in (notice, *channel.copies(notice)):
                transaction.notices.add(deliveries.begin(copy, channel.name))


def tell_reviewers(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    revision: RequestRevision,
    asked: Sequence[ApprovalRequirement],
    at: datetime,
) -> None:
    """Tell those whose approval is asked for now; the same stage of a revision is told once."""
    if not around.channels:
        return
    said_yes = [
        given.reviewer
        for given in transaction.approvals.of(grant.id, revision.number)
        if given.digest == revision.digest
    ]
    wanted = notices.review_wanted(grant, revision, asked, at, approved_by=said_yes)
    tell(around, transaction, wanted)


def tell_decided(
    around: Surroundings, transaction: Transaction, grant: Grant, at: datetime, by: PrincipalId
) -> None:
    """Tell the requester, and those who were asked, that the request was answered."""
    if around.channels:
        revision = transaction.requests.get(grant.id, grant.revision)
        tell(around, transaction, notices.decided(grant, revision, at, by.subject))


def tell_over(
    around: Surroundings, transaction: Transaction, before: Grant, after: Grant, at: datetime
) -> None:
    """Tell that a grant ended, or that it cannot be ended, once."""
    loud = (GrantState.ENDED, GrantState.STUCK)
    if around.channels and after.state in loud and before.state is not after.state:
        tell(around, transaction, notices.over(after, at))
        if after.state is GrantState.ENDED:
            tell_review_due(around, transaction, after, at)


def tell_review_due(
    around: Surroundings, transaction: Transaction, grant: Grant, at: datetime
) -> bool:
    """Tell that broken glass owes a review, once for each day since its end; say if it does."""
    try:
        broken = transaction.glass.get(grant.id)
    except NotFoundError:
        return False
    if broken.review is not None or grant.state is not GrantState.ENDED:
        return False
    revision = transaction.requests.get(grant.id, grant.revision)
    tell(around, transaction, notices.review_due(grant, revision, broken, at))
    return True


def tell_offered(
    around: Surroundings,
    transaction: Transaction,
    grant: Grant,
    offered: RequestRevision,
    approval: Approval,
) -> None:
    """Tell the requester that there is an offer of less."""
    if around.channels:
        told = notices.offered(grant, offered, approval.at, approval.reviewer, approval.comment)
        tell(around, transaction, told)


def tell_commented(
    around: Surroundings, transaction: Transaction, grant: Grant, comment: Comment
) -> None:
    """Tell the requester, and whoever has answered, offered or commented; never the author."""
    if not around.channels:
        return
    numbers = range(1, transaction.requests.latest_number(grant.id) + 1)
    answered = [
        given.reviewer for number in numbers for given in transaction.approvals.of(grant.id, number)
    ]
    said = [one.author for one in transaction.comments.of(grant.id)]
    people = frozenset({grant.principal, *answered, *said}) - {comment.author}
    if people:
        tell(around, transaction, notices.commented(grant, comment, people))


def tell_delegation(
    around: Surroundings,
    transaction: Transaction,
    delegation: Delegation,
    at: datetime,
    by: Principal,
) -> None:
    """Tell the delegate that a delegation began or was withdrawn, unless they did it."""
    if around.channels and delegation.delegate not in (by.id, by.person):
        tell(around, transaction, notices.delegation(delegation, at))
