"""Broken glass and codes in dictionaries, with the refusals of the real ones."""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.broken_glass import BrokenGlass, GlassReview, reviewed
from protem.domain.errors import ConflictError, NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.testing.in_memory_tables import Records


class InMemoryGlass(Records):
    """Breaks by grant."""

    def add(self, broken: BrokenGlass) -> None:
        tables = self._transaction.changeable
        if broken.grant_id not in tables.grants or broken.grant_id in tables.broken_glass:
            raise ConflictError("the grant is not stored, or its glass was broken before")
        tables.broken_glass[broken.grant_id] = broken

    def get(self, grant_id: GrantId) -> BrokenGlass:
        found = self._transaction.readable.broken_glass.get(grant_id)
        if found is None:
            raise NotFoundError(f"no glass was broken for {grant_id}")
        return found

    def review(self, grant_id: GrantId, review: GlassReview) -> None:
        done = reviewed(self.get(grant_id), review)
        self._transaction.changeable.broken_glass[grant_id] = done

    def list(self, *, open_only: bool, limit: int = 100) -> Sequence[BrokenGlass]:
        by_id = sorted(
            self._transaction.readable.broken_glass.values(),
            key=lambda broken: broken.grant_id,
            reverse=not open_only,
        )
        return tuple(found for found in by_id if not (open_only and found.review))[:limit]


class InMemoryGlassCodes(Records):
    """Owner and expiry by the code's hash."""

    def replace(self, owner: PrincipalId, hashes: Sequence[bytes], *, expires_at: datetime) -> None:
        tables = self._transaction.changeable
        if owner not in tables.accounts:
            raise ConflictError("there is no such account")
        for known in [known for known, (whose, _) in tables.glass_codes.items() if whose == owner]:
            del tables.glass_codes[known]
        for code_hash in hashes:
            if code_hash in tables.glass_codes:
                raise ConflictError("the code is kept already")
            tables.glass_codes[code_hash] = (owner, expires_at)

    def owner_of(self, code_hash: bytes, *, now: datetime) -> PrincipalId | None:
        owner, expires_at = self._transaction.readable.glass_codes.get(code_hash, (None, now))
        return owner if expires_at > now else None

    def use(self, code_hash: bytes, *, now: datetime) -> PrincipalId:
        codes = self._transaction.changeable.glass_codes
        owner = self.owner_of(code_hash, now=now)
        if owner is None:
            raise UnauthenticatedError("the code is unknown, expired or used up")
        del codes[code_hash]
        return owner

    def left(self, owner: PrincipalId, *, now: datetime) -> int:
        codes = self._transaction.readable.glass_codes.values()
        return sum(1 for whose, expires_at in codes if whose == owner and expires_at > now)
