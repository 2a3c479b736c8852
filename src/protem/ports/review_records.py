"""Records of reviews beyond verdicts: offers, comments, delegations, and what rotas said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from protem.domain.comments import Comment
from protem.domain.delegations import Delegation, DelegationId
from protem.domain.identifiers import GrantId
from protem.domain.offers import Offer
from protem.domain.oncall import OncallAnswer
from protem.domain.principals import PrincipalId


class OfferRecords(Protocol):
    """Which revisions are offers, and of what."""

    def add(self, offer: Offer) -> None:
        """Insert an offer; its revision is stored already.

        Raises:
            ConflictError: when that revision is not stored, or is an offer already.
        """
        ...

    def of(self, grant_id: GrantId) -> Sequence[Offer]:
        """Return all offers on a request, oldest first, taken or not."""
        ...


class CommentRecords(Protocol):
    """What was said about requests."""

    def add(self, comment: Comment) -> None:
        """Insert a comment on a grant that is stored already.

        Raises:
            ConflictError: when the grant is not there, or that number is taken.
        """
        ...

    def of(self, grant_id: GrantId) -> Sequence[Comment]:
        """Return the comments on a request, oldest first."""
        ...


class DelegationRecords(Protocol):
    """Who stands in for whom."""

    def get(self, delegation_id: DelegationId) -> Delegation:
        """Return one.

        Raises:
            NotFoundError: when there is none.
        """
        ...

    def put(self, delegation: Delegation) -> None:
        """Insert one, or replace it."""
        ...

    def to(self, delegate: PrincipalId, *, at: datetime) -> Sequence[Delegation]:
        """Return those in force at ``at`` in favour of ``delegate``, oldest first."""
        ...

    def list(self, *, after: datetime) -> Sequence[Delegation]:
        """Return all that end, or ended, after ``after``; oldest first, at most 1,000."""
        ...


class OncallRecords(Protocol):
    """The last answer of each schedule."""

    def put(self, answer: OncallAnswer) -> None:
        """Keep ``answer`` unless a later one is kept."""
        ...

    def list(self) -> Sequence[OncallAnswer]:
        """Return the last answers, by schedule."""
        ...
