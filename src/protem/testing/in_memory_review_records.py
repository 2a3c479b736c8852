"""Offers, comments, delegations and the answers of rotas, in dictionaries.

Here: these records with the refusals of the real ones, whose ports say what each method does. Not
here: the store that hands them out (``in_memory_store``).
"""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.comments import Comment
from protem.domain.delegations import Delegation, DelegationId
from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.offers import Offer
from protem.domain.oncall import OncallAnswer
from protem.domain.principals import PrincipalId
from protem.testing.in_memory_tables import Records


class InMemoryOffers(Records):
    """Which revisions are offers."""

    def add(self, offer: Offer) -> None:
        tables = self._transaction.changeable
        place = offer.grant_id, offer.revision
        if place not in tables.revisions or place in tables.offers:
            raise ConflictError("the offered revision is not stored, or is an offer already")
        tables.offers[place] = offer

    def of(self, grant_id: GrantId) -> Sequence[Offer]:
        offers = self._transaction.readable.offers
        return tuple(offers[place] for place in sorted(offers) if place[0] == grant_id)


class InMemoryComments(Records):
    """What was said."""

    def add(self, comment: Comment) -> None:
        tables = self._transaction.changeable
        place = comment.grant_id, comment.number
        if comment.grant_id not in tables.grants or place in tables.comments:
            raise ConflictError("there is no such grant, or a comment of this number exists")
        tables.comments[place] = comment

    def of(self, grant_id: GrantId) -> Sequence[Comment]:
        comments = self._transaction.readable.comments
        return tuple(comments[place] for place in sorted(comments) if place[0] == grant_id)


class InMemoryDelegations(Records):
    """Who stands in for whom."""

    def get(self, delegation_id: DelegationId) -> Delegation:
        found = self._transaction.readable.delegations.get(delegation_id)
        if found is None:
            raise NotFoundError(f"there is no delegation {delegation_id}")
        return found

    def put(self, delegation: Delegation) -> None:
        self._transaction.changeable.delegations[delegation.id] = delegation

    def to(self, delegate: PrincipalId, *, at: datetime) -> Sequence[Delegation]:
        return tuple(one for one in self._all() if one.delegate == delegate and one.counts_at(at))

    def list(self, *, after: datetime) -> Sequence[Delegation]:
        return tuple(one for one in self._all() if one.until > after)[:1_000]

    def _all(self) -> Sequence[Delegation]:
        found = self._transaction.readable.delegations
        return [found[each] for each in sorted(found)]


class InMemoryOncall(Records):
    """The last answers."""

    def put(self, answer: OncallAnswer) -> None:
        answers = self._transaction.changeable.oncall
        kept = answers.get(answer.schedule)
        if kept is None or kept.as_of <= answer.as_of:
            answers[answer.schedule] = answer

    def list(self) -> Sequence[OncallAnswer]:
        answers = self._transaction.readable.oncall
        return tuple(answers[schedule] for schedule in sorted(answers))
