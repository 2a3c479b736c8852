"""A terminal that waits to be signed in from a browser (RFC 8628, RFC 8252), as a value.

Here: its codes, how long it waits, and what was said to it. Not here: where it is kept (a port) and
the session that follows (services).

Invariant: the short code proves nothing by itself; it is there to be compared by a person. What
goes to the port reaches the machine of the browser alone: a terminal elsewhere never has it.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret

LIFETIME = timedelta(minutes=10)
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
        by: who answered; None until then.
        port: where on its own machine the terminal waits for the browser to come; None: it does
            not, and a person compares the short code.
        proof: digest of what a browser that said yes takes to that port.
        session: digest of the session that said yes, where it is one; the terminal's follows it.
    """

    user_code: str
    said: str
    address: str
    at: datetime
    verdict: DeviceVerdict = DeviceVerdict.PENDING
    by: PrincipalId | None = None
    port: int | None = None
    proof: bytes | None = None
    session: bytes | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether it was asked too long ago."""
        return now - self.at >= LIFETIME


def plain_code(text: str) -> str:
    """Return a code as people may have typed it, as it is kept: without what does not count."""
    letters = [letter for letter in text.upper() if letter in _LETTERS]
    groups = range(0, len(letters), _GROUP_LETTERS)
    return "-".join("".join(letters[at : at + _GROUP_LETTERS]) for at in groups)


def short_code(device_code: Secret) -> str:
    """Return the short code that goes with a long one; the long one cannot be told from it."""
    number = int.from_bytes(hashlib.sha256(b"short " + device_code.reveal().encode()).digest())
    letters = ""
    for _ in range(_GROUPS * _GROUP_LETTERS):
        number, place = divmod(number, len(_LETTERS))
        letters += _LETTERS[place]
    return plain_code(letters)
