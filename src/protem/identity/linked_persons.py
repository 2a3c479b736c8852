"""Several identities that are one person, over any identity provider.

Here: the settings' ``same_person`` put into effect: whoever is read through this counts by the
first identity of their list. Not here: proving identities.

Invariants: it never adds a group; for every rule about persons (own requests, quorum, managers,
delegations) all identities of a list are the one that is listed first, their agents included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from protem.domain.errors import InvalidError
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.identity.passing_on import PassesOn
from protem.ports.identity_provider import IdentityProvider
from protem.ports.store import Transaction


def first_identities(
    same_person: Iterable[Sequence[PrincipalId]],
) -> dict[PrincipalId, PrincipalId]:
    """Return, for each identity that is not the first of its list, the one that is.

    Raises:
        InvalidError: when a list has fewer than two, or an identity is in two places.
    """
    firsts: dict[PrincipalId, PrincipalId] = {}
    seen: set[PrincipalId] = set()
    for identities in same_person:
        if len(identities) < 2:  # noqa: PLR2004  # one is nobody else
            raise InvalidError("same_person lists two identities or more of one person")
        for identity in identities:
            if identity in seen:
                raise InvalidError(f"same_person names {identity} twice")
            seen.add(identity)
        firsts |= dict.fromkeys(identities[1:], identities[0])
    return firsts


class LinkedPersons(PassesOn):
    """An identity provider through which a person's identities are one."""

    def __init__(self, identity: IdentityProvider, firsts: dict[PrincipalId, PrincipalId]) -> None:
        self.identity = identity
        self._firsts = firsts

    async def authenticate(self, bearer: Secret) -> Principal:
        """Return whom the token proves, as their person."""
        return self._linked(await self.identity.authenticate(bearer))

    def lookup(self, transaction: Transaction, principal_id: PrincipalId) -> Principal:
        """Return a principal as it is now, as their person."""
        return self._linked(self.identity.lookup(transaction, principal_id))

    def _linked(self, principal: Principal) -> Principal:
        first = self._firsts.get(principal.acts_for or principal.id)
        manager = principal.manager
        boss = None if manager is None else self._firsts.get(manager, manager)
        if first is None and boss == manager:
            return principal
        return replace(principal, alias_of=first or principal.alias_of, manager=boss)
