"""Sign in a terminal from a browser that is signed in already (RFC 8628, RFC 8252).

Here: the codes, who said yes, and the session that follows. Not here: the pages and the terminal.

Invariants:
- The long code never leaves the terminal that asked, the short one proves nothing by itself: a
  session needs both the terminal's code and a signed-in person's yes.
- A code lives ``LIFETIME`` and makes one session, in the transaction that uses it up.
- Whoever says yes sees from where it was asked: a code that somebody sent them is theirs to refuse.
- A terminal's session follows the browser's that said yes: it ends no later, and by the same word
  of a provider; one that may be lent signs in none, so it never becomes a better one.
- A terminal that named a port gets its session only with what the browser took there, so it is on
  the browser's own machine: nobody elsewhere can have talked somebody into it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.bearer_tokens import fingerprint
from protem.domain.device_sign_ins import (
    LIFETIME,
    DeviceSignIn,
    DeviceVerdict,
    plain_code,
    short_code,
)
from protem.domain.errors import (
    DeniedError,
    NotFoundError,
    ProtemError,
    RetryLaterError,
    UnauthenticatedError,
)
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInMethod, client_text
from protem.ports.store import Transaction
from protem.services.open_session import NewSession, new_session, open_session
from protem.services.sign_in import SignedIn
from protem.services.surroundings import Surroundings

INTERVAL = timedelta(seconds=2)
"""How often a terminal asks; one that asks more often is told the same."""
MOST_PENDING = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodes:
    """What the terminal gets; shown once."""

    device_code: Secret
    user_code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAnswer:
    """What the browser does next: take ``proof`` to ``port`` of its machine, if there is one."""

    user_code: str
    port: int | None
    proof: Secret


async def begin_device_sign_in(
    around: Surroundings, *, said: str, address: str, port: int | None = None
) -> DeviceCodes:
    """Return new codes for a terminal.

    Args:
        around: the ports.
        said: what it calls itself.
        address: from where it asks.
        port: where it waits for the browser on its own machine, if it does.

    Raises:
        RetryLaterError: too many ask at once.
    """
    now, device_code = around.clock.now(), around.randomness.token()
    asked = DeviceSignIn(
        user_code=short_code(device_code),
        said=client_text(said),
        address=address,
        at=now,
        port=port,
    )

    def work(transaction: Transaction) -> None:
        transaction.devices.forget_before(now - LIFETIME)
        if transaction.devices.count() >= MOST_PENDING:
            raise RetryLaterError("too many sign-ins are under way; try again in a minute")
        transaction.devices.add(fingerprint(device_code), asked)

    await around.store.write(work)
    return DeviceCodes(
        device_code=device_code, user_code=asked.user_code, expires_at=now + LIFETIME
    )


async def look_at_device(around: Surroundings, user_code: str) -> DeviceSignIn:
    """Return the terminal that shows this code and has not been answered.

    Raises:
        NotFoundError: there is none, or no longer.
    """
    now = around.clock.now()
    return await around.store.read(lambda view: _waiting(view, user_code, now))


async def answer_device(
    around: Surroundings,
    principal: Principal,
    session: Secret,
    user_code: str,
    verdict: DeviceVerdict,
) -> DeviceAnswer:
    """Answer for a terminal: it becomes signed in as ``principal``, or is refused.

    Args:
        around: the ports.
        principal: who answers.
        session: the token by which they are signed in.
        user_code: what the terminal shows.
        verdict: yes or no.

    Raises:
        NotFoundError: there is no such code, or no longer.
        DeniedError: only a person has terminals, and a session that may be lent signs in none.
    """
    if principal.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can sign in a terminal")
    now, proof = around.clock.now(), around.randomness.token()
    key = fingerprint(session)

    def work(transaction: Transaction) -> DeviceAnswer:
        asked, facts = _waiting(transaction, user_code, now), transaction.sessions.find(key)
        if verdict is DeviceVerdict.APPROVED and facts is not None and facts.may_be_lent:
            raise DeniedError(
                "this session was signed in by a device code, so it signs in no terminal",
                next_step="do it in a browser that you signed in yourself",
            )
        answered = replace(
            asked,
            verdict=verdict,
            by=principal.id,
            proof=None if asked.port is None else fingerprint(proof),
            session=None if facts is None else key,
        )
        transaction.devices.save(answered)
        return DeviceAnswer(user_code=asked.user_code, port=asked.port, proof=proof)

    return await around.store.write(work)


async def redeem_device_code(
    around: Surroundings, device_code: Secret, proof: Secret | None = None
) -> SignedIn | None:
    """Return the session once somebody said yes; None while nobody said anything.

    Args:
        around: the ports.
        device_code: the long code.
        proof: what the browser brought to the port, where there is one.

    Raises:
        UnauthenticatedError: the code is unknown, old or used, the proof is not the browser's, or
            the account is gone or disabled.
        DeniedError: somebody said no.
    """
    key, now = fingerprint(device_code), around.clock.now()
    asked = await around.store.read(lambda view: view.devices.get(key))
    if asked is None or asked.is_over(now):
        raise _over()
    if asked.verdict is DeviceVerdict.PENDING:
        return None
    method = SignInMethod.DEVICE if asked.port is None else SignInMethod.LOOPBACK
    new = new_session(around, method, client=asked.said)

    def work(transaction: Transaction) -> SignedIn | ProtemError:
        if not transaction.devices.drop(key):
            return _over()  # two calls at once make one session
        if asked.verdict is DeviceVerdict.DENIED or asked.by is None:
            return DeniedError("the sign-in was refused in the browser")
        if not _is_proved(asked, proof):
            return UnauthenticatedError("this is not what the browser brought; begin again")
        principal = _principal(around, transaction, asked.by)
        if principal is None:
            return UnauthenticatedError("this account may not sign in")
        follows = _following(transaction, asked, new)
        if follows is None:
            return UnauthenticatedError("the browser was signed out meanwhile; begin again")
        marks = () if asked.session is None else transaction.sessions.marks(asked.session)
        open_session(transaction, asked.by, follows, marks)
        return SignedIn(token=new.token, expires_at=follows.expires_at, principal=principal)

    # what is refused is returned, not raised: the code is used up all the same
    outcome = await around.store.write(work)
    if isinstance(outcome, ProtemError):
        raise outcome
    around.announcer.announce()
    return outcome


def _following(transaction: Transaction, asked: DeviceSignIn, new: NewSession) -> NewSession | None:
    """Return the session, ending no later than the one that said yes; None when that is gone."""
    if asked.session is None:
        return new
    browser = transaction.sessions.find(asked.session)
    if browser is None or browser.expires_at <= new.began_at:
        return None
    return replace(new, expires_at=min(new.expires_at, browser.expires_at))


def _is_proved(asked: DeviceSignIn, proof: Secret | None) -> bool:
    if asked.port is None:
        return proof is None
    return (
        proof is not None
        and asked.proof is not None
        and hmac.compare_digest(fingerprint(proof), asked.proof)
    )


def _waiting(view: Transaction, user_code: str, now: datetime) -> DeviceSignIn:
    asked = view.devices.find(plain_code(user_code))
    if asked is None or asked.is_over(now) or asked.verdict is not DeviceVerdict.PENDING:
        raise NotFoundError(
            "no terminal shows this code now", next_step="compare it with the one in the terminal"
        )
    return asked


def _principal(
    around: Surroundings, transaction: Transaction, owner: PrincipalId
) -> Principal | None:
    try:
        return around.identity.lookup(transaction, owner)
    except NotFoundError:
        return None


def _over() -> UnauthenticatedError:
    return UnauthenticatedError("this sign-in took too long, or is over; begin again")
