"""Put what people should know on its way, in the transaction of the change that it tells of.

Here: which notice follows from which change, and which channels it goes to. Not here: what it says
(``domain.notices``) or delivering it (deliver_notices).

Invariants: a notice is kept if and only if its change is; telling never refuses a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain import deliveries, notices
from protem.domain.decisions import ApprovalRequirement
from protem.domain.grants import Grant, GrantState
from protem.domain.notices import Notice
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


def tell(around: Surroundings, transaction: Transaction, notice: Notice) -> None:
    """Keep a delivery for every channel that wants the notice."""
    for channel in around.channels:
        if channel.wants(notice):
            transaction.notices.add(deliveries.begin(notice, channel.name))


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
