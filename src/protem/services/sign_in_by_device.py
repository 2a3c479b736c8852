"""Sign in a terminal from a browser that is signed in already (as RFC 8628 does).

Here: the codes, who said yes, and the session that follows. Not here: the pages and the terminal.

Invariants:
- The long code never leaves the terminal that asked, the short one proves nothing by itself: a
  session needs both the terminal's code and a signed-in person's yes.
- A code lives ``LIFETIME`` and makes one session, in the transaction that uses it up.
- Whoever says yes sees from where it was asked: a code that somebody sent them is theirs to refuse.
"""

from __future__ import annotations

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
from protem.services.open_session import new_session, open_session
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


async def begin_device_sign_in(around: Surroundings, *, said: str, address: str) -> DeviceCodes:
    """Return new codes for a terminal.

    Raises:
        RetryLaterError: too many ask at once.
    """
    now, device_code = around.clock.now(), around.randomness.token()
    asked = DeviceSignIn(
        user_code=short_code(device_code), said=client_text(said), address=address, at=now
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
    around: Surroundings, principal: Principal, user_code: str, verdict: DeviceVerdict
) -> None:
    """Answer for a terminal: it becomes signed in as ``principal``, or is refused.

    Raises:
        NotFoundError: there is no such code, or no longer.
        DeniedError: only a person has terminals.
    """
    if principal.kind is not PrincipalKind.PERSON:
        raise DeniedError("only a person can sign in a terminal")
    now = around.clock.now()

    def work(transaction: Transaction) -> None:
        asked = _waiting(transaction, user_code, now)
        transaction.devices.save(replace(asked, verdict=verdict, by=principal.id))

    await around.store.write(work)


async def redeem_device_code(around: Surroundings, device_code: Secret) -> SignedIn | None:
    """Return the session once somebody said yes; None while nobody said anything.

    Raises:
        UnauthenticatedError: the code is unknown, old or used, or the account gone or disabled.
        DeniedError: somebody said no.
    """
    key, now = fingerprint(device_code), around.clock.now()
    asked = await around.store.read(lambda view: view.devices.get(key))
    if asked is None or asked.is_over(now):
        raise _over()
    if asked.verdict is DeviceVerdict.PENDING:
        return None
    new = new_session(around, SignInMethod.DEVICE, client=asked.said)

    def work(transaction: Transaction) -> Principal | ProtemError:
        if not transaction.devices.drop(key):
            return _over()  # two calls at once make one session
        if asked.verdict is DeviceVerdict.DENIED or asked.by is None:
            return DeniedError("the sign-in was refused in the browser")
        principal = _principal(around, transaction, asked.by)
        if principal is None:
            return UnauthenticatedError("this account may not sign in")
        open_session(transaction, asked.by, new)
        return principal

    # what is refused is returned, not raised: the code is used up all the same
    outcome = await around.store.write(work)
    if isinstance(outcome, ProtemError):
        raise outcome
    around.announcer.announce()
    return SignedIn(token=new.token, expires_at=new.expires_at, principal=outcome)


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
