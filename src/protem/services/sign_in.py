"""Exchange a one-time token for a session, and end a session.

Here: the exchange and its audit entry. Not here: proving a session on each call (the identity
port), or making one-time tokens (manage_accounts).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain import session_events
from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInMethod
from protem.ports.identity_provider import RemembersPrincipals
from protem.ports.store import Transaction
from protem.services.open_session import new_session, open_session
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A fresh session."""

    token: Secret
    expires_at: datetime
    principal: Principal


async def sign_in(around: Surroundings, one_time: Secret, *, client: str = "") -> SignedIn:
    """Use up ``one_time`` and return a session of its owner.

    Args:
        around: the ports.
        one_time: what the caller shows.
        client: what its program says of itself.

    Raises:
        UnauthenticatedError: unknown, expired or used token, or a disabled account.
    """
    new = new_session(around, SignInMethod.ONE_TIME_TOKEN, client=client)

    def work(transaction: Transaction) -> Principal:
        owner = transaction.accounts.owner_of(
            fingerprint(one_time), now=new.began_at, single_use=True
        )
        try:
            principal = around.identity.lookup(transaction, owner)
        except NotFoundError as error:
            raise UnauthenticatedError("this account may not sign in") from error
        open_session(transaction, owner, new)
        return principal

    principal = await around.store.write(work)
    around.announcer.announce()
    return SignedIn(token=new.token, expires_at=new.expires_at, principal=principal)


async def sign_out(around: Surroundings, principal: Principal, session: Secret) -> None:
    """Forget one session; harmless when it is gone already."""
    now, token_hash = around.clock.now(), fingerprint(session)

    def work(transaction: Transaction) -> None:
        facts = transaction.sessions.find(token_hash)
        if facts is not None:
            transaction.audit.append(session_events.ended(facts, str(principal.id), now))
        transaction.accounts.drop_token(token_hash)

    await around.store.write(work)
    if isinstance(around.identity, RemembersPrincipals):
        around.identity.forget(principal.id)
