"""Exchange a one-time token for a session, and end a session.

Here: the exchange and its audit entry. Not here: proving a session on each call (the identity
port), or making one-time tokens (manage_accounts).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain import audit_events
from protem.domain.bearer_tokens import SESSION_LIFETIME, fingerprint
from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal
from protem.domain.secret import Secret
from protem.ports.identity_provider import RemembersPrincipals
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A fresh session."""

    token: Secret
    expires_at: datetime
    principal: Principal


async def sign_in(around: Surroundings, one_time: Secret) -> SignedIn:
    """Use up ``one_time`` and return a session of its owner.

    Raises:
        UnauthenticatedError: unknown, expired or used token, or a disabled account.
    """
    now = around.clock.now()
    session = around.randomness.token()
    expires_at = now + SESSION_LIFETIME

    def work(transaction: Transaction) -> Principal:
        owner = transaction.accounts.owner_of(fingerprint(one_time), now=now, single_use=True)
        try:
            principal = around.identity.lookup(transaction, owner)
        except NotFoundError as error:
            raise UnauthenticatedError("this account may not sign in") from error
        transaction.accounts.add_token(
            token_hash=fingerprint(session), owner=owner, expires_at=expires_at, single_use=False
        )
        transaction.audit.append(audit_events.signed_in(owner, now))
        return principal

    principal = await around.store.write(work)
    around.announcer.announce()
    return SignedIn(token=session, expires_at=expires_at, principal=principal)


async def sign_out(around: Surroundings, principal: Principal, session: Secret) -> None:
    """Forget one session; harmless when it is gone already."""
    await around.store.write(lambda tx: tx.accounts.drop_token(fingerprint(session)))
    if isinstance(around.identity, RemembersPrincipals):
        around.identity.forget(principal.id)
