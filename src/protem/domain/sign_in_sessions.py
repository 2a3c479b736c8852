"""What is known of a session beside its token: how it began, and when it was used.

Here: the facts, and until when a session counts. Not here: proving a token (the identity port) and
the sessions of databases (``observations``).

Invariants: a session's id follows from its token's fingerprint and leads back to neither; facts
about how somebody signed in belong to the session, never to the principal.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain.principals import PrincipalId

_ID_CONTEXT = b"protem.dev/session-id/v1"
_ID_DIGITS = 20
MAX_CLIENT = 120


class SignInMethod(enum.StrEnum):
    """How the session began."""

    ONE_TIME_TOKEN = "one_time_token"  # noqa: S105  # a name
    OIDC = "oidc"
    DEVICE = "device"
    LOOPBACK = "loopback"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSession:
    """One session.

    Attributes:
        id: public; names the session in lists and in the log.
        client: what the program said of itself when it signed in; anything may be in it.
        used_at: the last use that is on record; an earlier one than the last by up to a minute.
    """

    id: str
    owner: PrincipalId
    method: SignInMethod
    client: str
    began_at: datetime
    used_at: datetime
    expires_at: datetime

    @property
    def may_be_lent(self) -> bool:
        """Whether someone else may have been talked into signing this in: a device code can."""
        return self.method is SignInMethod.DEVICE

    def is_idle(self, now: datetime, limit: timedelta) -> bool:
        """Say whether it was not used for longer than ``limit``."""
        return now - self.used_at > limit


def session_id(token_hash: bytes) -> str:
    """Return the public id of the session whose token has this fingerprint."""
    return hashlib.sha256(_ID_CONTEXT + token_hash).hexdigest()[:_ID_DIGITS]


def client_text(said: str) -> str:
    """Return what a program says of itself, made one short line of ASCII."""
    return "".join(letter for letter in said if " " <= letter <= "~")[:MAX_CLIENT]
