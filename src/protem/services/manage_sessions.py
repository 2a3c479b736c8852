"""One's own sessions: see them, end one, end all; and forget those that are over.

Here: what their owner may do, and the rounds that keep the store free of dead tokens. Not here:
opening sessions (open_session), or ending somebody else's (manage_accounts.disable_account).

Invariants: a session that is ended proves nobody from the next call on; what is forgotten by
``keep_sessions`` proved nobody before.
"""

from __future__ import annotations

from collections.abc import Sequence

from protem.domain import session_events
from protem.domain.bearer_tokens import fingerprint
from protem.domain.device_sign_ins import LIFETIME
from protem.domain.errors import DeniedError
from protem.domain.principals import Principal
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInSession
from protem.ports.identity_provider import NotesUse, RemembersPrincipals
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


async def session_of(around: Surroundings, token: Secret) -> SignInSession | None:
    """Return the facts of the session that a token is; None for a token without any."""
    return await around.store.read(lambda view: view.sessions.find(fingerprint(token)))


async def refuse_if_lent(around: Surroundings, token: Secret) -> None:
    """Return unless this session was signed in by a device code.

    Whoever sends somebody such a code and has it confirmed holds a session of theirs: it is no
    session to enrol keys with, nor to approve with where policy asks for signatures.

    Raises:
        DeniedError: when it was.
    """
    session = await session_of(around, token)
    if session is not None and session.may_be_lent:
        raise DeniedError(
            "this session was signed in by a device code, which is not enough for this",
            next_step="do it in the browser, or sign in with protem login --token",
        )


async def list_sessions(around: Surroundings, principal: Principal) -> Sequence[SignInSession]:
    """Return the caller's sessions that still count, newest first."""
    now, limit = around.clock.now(), around.limits.session_idle
    found = await around.store.read(lambda view: view.sessions.of(principal.id))
    return tuple(
        session for session in found if session.expires_at > now and not session.is_idle(now, limit)
    )


async def end_session(around: Surroundings, principal: Principal, session_id: str) -> None:
    """End one of the caller's sessions, the present one perhaps.

    Raises:
        NotFoundError: when it is none of the caller's.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> None:
        session = transaction.sessions.end(principal.id, session_id)
        transaction.audit.append(session_events.ended(session, str(principal.id), now))

    await around.store.write(work)
    _tell(around, principal)


async def end_all_sessions(around: Surroundings, principal: Principal) -> int:
    """End every session of the caller, the present one too; return how many there were."""
    now = around.clock.now()

    def work(transaction: Transaction) -> int:
        sessions = transaction.sessions.of(principal.id)
        for session in sessions:
            transaction.audit.append(session_events.ended(session, str(principal.id), now))
        return max(len(sessions), transaction.accounts.drop_tokens(principal.id))

    count = await around.store.write(work)
    _tell(around, principal)
    return count


async def keep_sessions(around: Surroundings) -> int:
    """Put on record which sessions were used, forget what is over; return how many tokens went."""
    now, limit = around.clock.now(), around.limits.session_idle
    identity = around.identity
    uses = dict(identity.uses()) if isinstance(identity, NotesUse) else {}

    def work(transaction: Transaction) -> int:
        for token_hash, at in uses.items():
            transaction.sessions.note_use(token_hash, at)
        transaction.spent_proofs.forget_before(now)
        transaction.devices.forget_before(now - LIFETIME)
        return transaction.sessions.forget_over(now=now, unused_since=now - limit)

    gone = await around.store.write(work)
    if isinstance(identity, NotesUse):
        identity.uses_kept(uses)
    return gone


def _tell(around: Surroundings, principal: Principal) -> None:
    if isinstance(around.identity, RemembersPrincipals):
        around.identity.forget(principal.id)
    around.announcer.announce()
