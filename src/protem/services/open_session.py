"""Open a session inside the transaction that proved who it is for.

Here: the token, the facts and the audit entry, together. Not here: the proof (sign_in and its
kin).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain import session_events
from protem.domain.bearer_tokens import fingerprint
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInMethod, SignInSession, client_text, session_id
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that is about to be: everything but whose it is.

    Attributes:
        token: fresh; a transaction may run twice, so it is made before.
        by: the provider in the settings that vouched for its owner; empty for our own tokens.
    """

    token: Secret
    method: SignInMethod
    by: str
    client: str
    began_at: datetime
    expires_at: datetime


def new_session(
    around: Surroundings,
    method: SignInMethod,
    *,
    by: str = "",
    client: str = "",
    lifetime: timedelta | None = None,
) -> NewSession:
    """Return a session that begins now.

    Args:
        around: the ports.
        method: how the caller proved who it is.
        by: the provider in the settings that vouched for the caller.
        client: what its program says of itself.
        lifetime: where it is not everybody's.
    """
    now = around.clock.now()
    return NewSession(
        token=around.randomness.token(),
        method=method,
        by=by,
        client=client_text(client),
        began_at=now,
        expires_at=now + (lifetime or around.limits.session_lifetime),
    )


def open_session(
    transaction: Transaction,
    owner: PrincipalId,
    new: NewSession,
    marks: Collection[bytes] = (),
) -> None:
    """Keep the session, with the marks by which a provider ends it; record how it began."""
    token_hash = fingerprint(new.token)
    session = SignInSession(
        id=session_id(token_hash),
        owner=owner,
        method=new.method,
        client=new.client,
        began_at=new.began_at,
        used_at=new.began_at,
        expires_at=new.expires_at,
    )
    transaction.sessions.add(token_hash, session, marks)
    transaction.audit.append(session_events.began(session, new.by))
