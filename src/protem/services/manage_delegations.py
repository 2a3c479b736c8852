"""Let somebody stand in for a while, see who does, and end it.

Here: delegations and their audit entries. Not here: what they change in a review
(count_approvals).

Invariants: only a person delegates, for themselves, to another person; either of the two ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import review_events
from protem.domain.decisions import Outcome, PolicyAction
from protem.domain.delegations import Delegation, DelegationId
from protem.domain.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from protem.domain.identifiers import GroupName
from protem.domain.policy_questions import about_role
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_delegation

MAX_DELEGATIONS = 50
"""In force from one person at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationAsked:
    """Who shall stand in, until when, and for which group; None: for all."""

    delegate: PrincipalId
    until: datetime
    group: GroupName | None = None


async def add_delegation(
    around: Surroundings, principal: Principal, asked: DelegationAsked
) -> Delegation:
    """Let ``asked.delegate`` stand in for ``principal``; said twice, it is one delegation.

    Raises:
        DeniedError: when an agent or a workload asks.
        NotFoundError: when the delegate is not known.
        InvalidError: when the delegate is no other person, the group is not the delegator's, or
            the end is not in the future or too far off.
        ConflictError: when there are too many already.
    """
    if principal.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can let somebody stand in for them")
    now = around.clock.now()
    name = DelegationId(around.randomness.grant_id(now))

    def work(transaction: Transaction) -> Delegation:
        delegator = around.identity.lookup(transaction, principal.id)
        delegate = around.identity.lookup(transaction, asked.delegate)
        if delegate.kind is not PrincipalKind.PERSON or delegate.person == delegator.person:
            raise InvalidError("somebody who stands in for you is another person")
        if asked.group is not None and asked.group not in delegator.groups:
            raise InvalidError(
                f"you are not in {asked.group}, so nobody can stand in for you there"
            )
        before = _from(transaction, delegator, now)
        for one in before:
            if (one.delegate, one.until, one.group) == (delegate.id, asked.until, asked.group):
                return one
        if len(before) >= MAX_DELEGATIONS:
            raise ConflictError(f"{MAX_DELEGATIONS} people stand in for you already; end some")
        delegation = Delegation(
            id=name,
            delegator=delegator.id,
            delegate=delegate.id,
            made_at=now,
            until=asked.until,
            group=asked.group,
        )
        transaction.delegations.put(delegation)
        transaction.audit.append(review_events.delegated(delegation, str(principal.id)))
        tell_delegation(around, transaction, delegation, now, principal)
        return delegation

    delegation = await around.store.write(work)
    around.announcer.announce()
    return delegation


async def list_delegations(around: Surroundings, principal: Principal) -> Sequence[Delegation]:
    """Return those in force from or to the caller; all of them for who may administer or audit."""
    now = around.clock.now()

    def work(view: Transaction) -> Sequence[Delegation]:
        found = [one for one in view.delegations.list(after=now) if one.counts_at(now)]
        if _sees_all(around, principal, now):
            return found
        mine = {principal.id, principal.person}
        return [one for one in found if {one.delegator, one.delegate} & mine]

    return await around.store.read(work)


async def end_delegation(
    around: Surroundings, principal: Principal, delegation_id: DelegationId
) -> Delegation:
    """End one now; harmless when it has ended.

    Raises:
        NotFoundError: when there is none from or to the caller, who may not administer either.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> Delegation:
        absent = NotFoundError(f"there is no delegation {delegation_id} of yours")
        try:
            delegation = transaction.delegations.get(delegation_id)
        except NotFoundError:
            raise absent from None
        mine = {principal.id, principal.person}
        if not {delegation.delegator, delegation.delegate} & mine and not _may(
            around, PolicyAction.ADMINISTER, principal, now
        ):
            raise absent
        if not delegation.counts_at(now):
            return delegation
        ended = replace(delegation, ended_at=now)
        transaction.delegations.put(ended)
        transaction.audit.append(review_events.delegation_ended(ended, str(principal.id), now))
        tell_delegation(around, transaction, ended, now, principal)
        return ended

    ended = await around.store.write(work)
    around.announcer.announce()
    return ended


def _from(transaction: Transaction, delegator: Principal, now: datetime) -> Sequence[Delegation]:
    return [
        one
        for one in transaction.delegations.list(after=now)
        if one.delegator == delegator.id and one.counts_at(now)
    ]


def _sees_all(around: Surroundings, principal: Principal, now: datetime) -> bool:
    return any(
        _may(around, action, principal, now)
        for action in (PolicyAction.ADMINISTER, PolicyAction.AUDIT)
    )


def _may(around: Surroundings, action: PolicyAction, principal: Principal, now: datetime) -> bool:
    return around.policy.decide(about_role(action, principal, now)).outcome is Outcome.ALLOWED
