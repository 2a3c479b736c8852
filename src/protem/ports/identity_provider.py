"""Who is calling, as a port; OIDC and others implement it beside local accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.ports.store import Transaction


class IdentityProvider(Protocol):
    """Proves callers and tells their groups."""

    async def authenticate(self, bearer: Secret) -> Principal:
        """Return the principal that the token proves, enabled now, with groups of now.

        Raises:
            UnauthenticatedError: unknown, expired or disabled.
        """
        ...

    def lookup(self, transaction: Transaction, principal_id: PrincipalId) -> Principal:
        """Return a principal as it is now, inside the activating transaction (law 6).

        Raises:
            NotFoundError: unknown or disabled.
        """
        ...


@runtime_checkable
class RemembersPrincipals(Protocol):
    """Keeps proofs of identity for a moment, and can be told to forget them."""

    def forget(self, principal_id: PrincipalId) -> None:
        """Drop what is remembered; called after every commit that changes an account."""
        ...


@runtime_checkable
class NotesUse(Protocol):
    """Notes when a session was last used, so that somebody can put it on record."""

    def uses(self) -> Mapping[bytes, datetime]:
        """Return the last use of each session, by fingerprint, as far as it is not on record."""
        ...

    def uses_kept(self, kept: Mapping[bytes, datetime]) -> None:
        """Drop these notes, but those that are newer by now."""
        ...
