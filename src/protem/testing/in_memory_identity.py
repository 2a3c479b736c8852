"""An identity provider in a dictionary: who exists is what the test says.

Here: principals and the tokens that prove them. Not here: hashing or expiry; the local provider
has those.
"""

from __future__ import annotations

from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.ports.store import Transaction


class InMemoryIdentity:
    """Knows the principals that were added; a token proves one of them."""

    def __init__(self, *principals: Principal) -> None:
        self._known = {principal.id: principal for principal in principals}
        self._tokens: dict[str, PrincipalId] = {}

    def add(self, principal: Principal, token: Secret | None = None) -> None:
        """Add or change a principal, and perhaps a token that proves it."""
        self._known[principal.id] = principal
        if token is not None:
            self._tokens[token.reveal()] = principal.id

    def disable(self, principal_id: PrincipalId) -> None:
        """Make the principal unknown from now on."""
        del self._known[principal_id]

    async def authenticate(self, bearer: Secret) -> Principal:
        """Return whom the token proves."""
        known = self._known.get(
            self._tokens.get(bearer.reveal(), PrincipalId(issuer="x", subject="x"))
        )
        if known is None:
            raise UnauthenticatedError("this token proves nobody")
        return known

    def lookup(self, _transaction: Transaction, principal_id: PrincipalId) -> Principal:
        """Return the principal as it is now."""
        if principal_id not in self._known:
            raise NotFoundError(f"there is no enabled account {principal_id}")
        return self._known[principal_id]
