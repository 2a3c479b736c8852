"""Sign in a terminal from a browser that is signed in already (as RFC 8628 does).

Here: the codes, who said yes, and the session that follows. Not here: the pages and the terminal.

Invariants:
- The long code never leaves the terminal that asked, the short one proves nothing by itself: a
  session needs both the terminal's code and a signed-in person's yes.
- A code lives ``LIFETIME`` and makes one session. A restart forgets codes, not sessions.
- Whoever says yes sees from where it was asked: a code that somebody sent them is theirs to refuse.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import (
    DeniedError,
    NotFoundError,
    RetryLaterError,
    UnauthenticatedError,
)
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.secret import Secret
from protem.services.sign_in import SignedIn, sign_in_by_consent
from protem.services.surroundings import Surroundings

LIFETIME = timedelta(minutes=10)
INTERVAL = timedelta(seconds=2)
"""How often a terminal asks; one that asks more often is told the same."""
MOST_PENDING = 1_000
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; nothing that looks like another (RFC 8628, 6.1)."""
_GROUPS, _GROUP_LETTERS = 2, 4


class DeviceVerdict(enum.StrEnum):
    """What was said in the browser."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSignIn:
    """One terminal that asks.

    Attributes:
        user_code: what both show, to compare.
        said: what the terminal calls itself; anything may stand there.
        address: where it asked from, as we saw it.
    """

    user_code: str
    said: str
    address: str
    at: datetime
    verdict: DeviceVerdict = DeviceVerdict.PENDING
    by: PrincipalId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodes:
    """What the terminal gets; shown once."""

    device_code: Secret
    user_code: str
    expires_at: datetime


@dataclass(slots=True)
class DeviceSignIns:
    """The terminals that ask now, in this process's memory."""

    _by_code: dict[bytes, DeviceSignIn] = field(default_factory=dict)

    def begin(self, around: Surroundings, *, said: str, address: str) -> DeviceCodes:
        """Return new codes.

        Raises:
            RetryLaterError: too many ask at once.
        """
        now = around.clock.now()
        self._forget_old(now)
        if len(self._by_code) >= MOST_PENDING:
            raise RetryLaterError("too many sign-ins are under way; try again in a minute")
        device_code = around.randomness.token()
        asked = DeviceSignIn(user_code=_short(device_code), said=said, address=address, at=now)
        self._by_code[fingerprint(device_code)] = asked
        return DeviceCodes(
            device_code=device_code, user_code=asked.user_code, expires_at=now + LIFETIME
        )

    def look(self, around: Surroundings, user_code: str) -> DeviceSignIn:
        """Return the terminal that shows this code and has not been answered.

        Raises:
            NotFoundError: there is none, or no longer.
        """
        return self._by_code[self._key_of(around, user_code)]

    def decide(
        self, around: Surroundings, principal: Principal, user_code: str, verdict: DeviceVerdict
    ) -> None:
        """Answer for a terminal: it becomes signed in as ``principal``, or is refused.

        Raises:
            NotFoundError: there is no such code, or no longer.
            DeniedError: only a person has terminals.
        """
        if principal.kind is not PrincipalKind.PERSON:
            raise DeniedError("only a person can sign in a terminal")
        key = self._key_of(around, user_code)
        self._by_code[key] = replace(self._by_code[key], verdict=verdict, by=principal.id)

    async def redeem(self, around: Surroundings, device_code: Secret) -> SignedIn | None:
        """Return the session once somebody said yes; None while nobody said anything.

        Raises:
            UnauthenticatedError: the code is unknown, old or used.
            DeniedError: somebody said no.
        """
        self._forget_old(around.clock.now())
        key = fingerprint(device_code)
        asked = self._by_code.get(key)
        if asked is None:
            raise UnauthenticatedError("this sign-in took too long, or is over; begin again")
        if asked.verdict is DeviceVerdict.PENDING:
            return None
        del self._by_code[key]  # before the session is made: two calls at once make one
        if asked.verdict is DeviceVerdict.DENIED or asked.by is None:
            raise DeniedError("the sign-in was refused in the browser")
        return await sign_in_by_consent(around, asked.by, client=asked.said)

    def _key_of(self, around: Surroundings, user_code: str) -> bytes:
        self._forget_old(around.clock.now())
        wanted = plain_code(user_code)
        for key, asked in self._by_code.items():
            if asked.verdict is DeviceVerdict.PENDING and plain_code(asked.user_code) == wanted:
                return key
        raise NotFoundError(
            "no terminal shows this code now", next_step="compare it with the one in the terminal"
        )

    def _forget_old(self, now: datetime) -> None:
        old = [key for key, asked in self._by_code.items() if now - asked.at >= LIFETIME]
        for key in old:
            del self._by_code[key]


def plain_code(text: str) -> str:
    """Return a code as people may have typed it, without what does not count."""
    return "".join(letter for letter in text.upper() if letter in _LETTERS)


def _short(device_code: Secret) -> str:
    """Return the short code that goes with a long one; the long one cannot be told from it."""
    number = int.from_bytes(hashlib.sha256(b"short " + device_code.reveal().encode()).digest())
    letters = ""
    for _ in range(_GROUPS * _GROUP_LETTERS):
        number, place = divmod(number, len(_LETTERS))
        letters += _LETTERS[place]
    return f"{letters[:_GROUP_LETTERS]}-{letters[_GROUP_LETTERS:]}"
