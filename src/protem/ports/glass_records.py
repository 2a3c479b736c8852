"""Broken glass and the codes of sealed envelopes, as a transaction keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from protem.domain.broken_glass import BrokenGlass, GlassReview
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId


class GlassRecords(Protocol):
    """Breaks of the glass, one for a grant, each with at most one review."""

    def add(self, broken: BrokenGlass) -> None:
        """Insert an unreviewed break of a grant that is stored already.

        Raises:
            ConflictError: when the grant is not stored, or has one.
        """
        ...

    def get(self, grant_id: GrantId) -> BrokenGlass:
        """Return the break of a grant.

        Raises:
            NotFoundError: when there is none.
        """
        ...

    def review(self, grant_id: GrantId, review: GlassReview) -> None:
        """Keep the one review.

        Raises:
            NotFoundError: when there is no such break.
            ConflictError: when it has a review, or the reviewer is who broke the glass.
        """
        ...

    def list(self, *, open_only: bool, limit: int = 100) -> Sequence[BrokenGlass]:
        """Return breaks: open ones oldest first, or all newest first."""
        ...


class GlassCodeRecords(Protocol):
    """Hashed single-use codes that sign in a local account in an emergency."""

    def replace(self, owner: PrincipalId, hashes: Sequence[bytes], *, expires_at: datetime) -> None:
        """Keep these codes and no others of ``owner``; no hashes leaves it none.

        Raises:
            ConflictError: when there is no such account, or a code is kept already.
        """
        ...

    def owner_of(self, code_hash: bytes, *, now: datetime) -> PrincipalId | None:
        """Return whose code this is if it would be taken now; uses nothing up."""
        ...

    def use(self, code_hash: bytes, *, now: datetime) -> PrincipalId:
        """Use a code up and return whose it was.

        Raises:
            UnauthenticatedError: unknown, expired or used.
        """
        ...

    def left(self, owner: PrincipalId, *, now: datetime) -> int:
        """Return how many codes of ``owner`` can still be used."""
        ...
