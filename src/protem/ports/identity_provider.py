"""Who is calling, as a port; OIDC and others implement it beside local accounts."""

from __future__ import annotations

from typing import Protocol

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
