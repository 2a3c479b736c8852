"""What a browser keeps between leaving for a provider and coming back: sealed, short, used once.

Here: the cookie, its seal, and that it is not used twice. Not here: the flow (resources.oidc).

Invariants:
- The cookie is encrypted with a key that this process made and nobody else has: a restart voids
  sign-ins under way, and nothing else.
- It names the provider that was left for, so an answer of another one does not fit (mix-up).
- It is good for ten minutes and for one return.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response

from protem.domain.errors import UnauthenticatedError
from protem.domain.instants import format_instant, parse_instant
from protem.domain.secret import Secret
from protem.ports.sign_in_provider import SignInBegun

LIFETIME = timedelta(minutes=10)
_PLAIN, _OVER_TLS = "protem_sign_in", "__Secure-protem_sign_in"
_PATH = "/v1/sign-in/oidc"
_NONCE_BYTES = 12
_MOST_CHARACTERS = 4_000
_MOST_USED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """A sign-in whose answer is awaited.

    Attributes:
        provider: by name.
        wanted: the page to go on to.
    """

    provider: str
    begun: SignInBegun
    wanted: str
    at: datetime


@dataclass(slots=True)
class PendingSignIns:
    """The seal of this process, and which sign-ins came back."""

    _seal: AESGCM = field(default_factory=lambda: AESGCM(AESGCM.generate_key(256)))
    _used: OrderedDict[str, datetime] = field(default_factory=OrderedDict)

    def keep(self, response: Response, pending: PendingSignIn, *, tls: bool) -> None:
        """Give it to the browser."""
        response.set_cookie(
            _OVER_TLS if tls else _PLAIN,
            self._sealed(pending),
            max_age=int(LIFETIME.total_seconds()),
            path=_PATH,
            secure=tls,
            httponly=True,
            samesite="lax",  # it comes back by a link from another site
        )

    def take(self, request: Request, provider: str, now: datetime, *, tls: bool) -> PendingSignIn:
        """Return what this browser left with; once.

        Raises:
            UnauthenticatedError: it left for another provider, too long ago, or not at all.
        """
        pending = self._opened(request.cookies.get(_OVER_TLS if tls else _PLAIN, ""))
        if pending is None or pending.provider != provider:
            raise _begin_again("this browser has no such sign-in under way")
        if not timedelta(0) <= now - pending.at < LIFETIME:
            raise _begin_again("this sign-in took too long")
        self._use_up(pending, now)
        return pending

    def forget(self, response: Response, *, tls: bool) -> None:
        """Take it from the browser."""
        response.delete_cookie(_OVER_TLS if tls else _PLAIN, path=_PATH, secure=tls, httponly=True)

    def _use_up(self, pending: PendingSignIn, now: datetime) -> None:
        while self._used and (
            len(self._used) >= _MOST_USED or now - next(iter(self._used.values())) > LIFETIME
        ):
            self._used.popitem(last=False)
        if pending.begun.state in self._used:
            raise _begin_again("this sign-in was finished already")
        self._used[pending.begun.state] = now

    def _sealed(self, pending: PendingSignIn) -> str:
        content = json.dumps(
            {
                "provider": pending.provider,
                "state": pending.begun.state,
                "nonce": pending.begun.nonce,
                "verifier": pending.begun.verifier.reveal(),
                "wanted": pending.wanted,
                "at": format_instant(pending.at),
            }
        ).encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return urlsafe_b64encode(nonce + self._seal.encrypt(nonce, content, None)).decode()

    def _opened(self, cookie: str) -> PendingSignIn | None:
        if not cookie or len(cookie) > _MOST_CHARACTERS:
            return None
        try:
            sealed = urlsafe_b64decode(cookie)
            content = self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (ValueError, InvalidTag):
            return None
        found = json.loads(content)  # ours, or it would not have opened
        return PendingSignIn(
            provider=found["provider"],
            begun=SignInBegun(
                address="",
                state=found["state"],
                nonce=found["nonce"],
                verifier=Secret(found["verifier"]),
            ),
            wanted=found["wanted"],
            at=parse_instant(found["at"]),
        )


def _begin_again(why: str) -> UnauthenticatedError:
    return UnauthenticatedError(why, next_step="sign in again")
