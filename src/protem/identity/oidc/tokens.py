"""Is a signed token of the provider what it claims, for us and for now?

Here: signature, issuer, audience and times of ID tokens and logout tokens. Not here: fetching keys
(metadata), and who the claims speak of (claims).

Sources: OpenID Connect Core 1.0, 3.1.3.7; Back-Channel Logout 1.0, 2.6; RFC 8725.

Invariants: algorithms come from a list of ours, never from the token; ``none`` and shared-secret
ones are not on it; every refusal is the same family, and says what was wrong without the token.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning

from protem.domain.errors import UnauthenticatedError
from protem.identity.oidc.metadata import MetadataSource
from protem.ports.clock import Clock

ALGORITHMS = (
    "RS256",
    "PS256",
    "ES256",
    "ES384",
    "EdDSA",
    "Ed25519",
    "RS384",
    "RS512",
    "PS384",
    "PS512",
)
LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may be from ours."""
_HASHES = (hashlib.sha256, hashlib.sha384, hashlib.sha512)
MOST_CHARACTERS = 65_536
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say."""

    issuer: str
    audience: str


async def verified_claims(
    token: str, *, source: MetadataSource, rules: TokenRules, clock: Clock
) -> Mapping[str, Any]:
    """Return the claims of a token that the provider signed for us and that is valid now.

    Raises:
        UnauthenticatedError: it is not.
        IdentityProviderError: the provider's keys cannot be had.
    """
    claims = await signed_claims(token, source=source, issuer=rules.issuer, clock=clock)
    _check_audience(claims, rules.audience)
    return claims


async def signed_claims(
    token: str, *, source: MetadataSource, issuer: str, clock: Clock
) -> Mapping[str, Any]:
    """Return the claims of a token that the issuer signed, for whomever, and that is valid now.

    Raises:
        UnauthenticatedError: it is not.
        IdentityProviderError: the issuer's keys cannot be had.
    """
    if len(token) > MOST_CHARACTERS or not token.isascii():
        raise refused("it is not a token")
    keys = await source.keys(_key_id(token))
    try:
        with warnings.catch_warnings():
            # RFC 9864 renames EdDSA; providers go on to sign with it for years
            warnings.simplefilter("ignore", SecurityWarning)
            claims = dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise refused(f"its signature does not hold ({type(error).__name__})") from error
    if claims.get("iss") != issuer:
        raise refused("it is of another issuer")
    _check_times(claims, clock.now())
    return claims


def check_access_token(claims: Mapping[str, Any], access_token: object) -> None:
    """Return when the ID token is of this access token, as far as it says (Core 1.0, 3.1.3.6).

    Raises:
        UnauthenticatedError: it came with another.
    """
    named = claims.get("at_hash")
    if named is None or not isinstance(access_token, str):
        return
    # the hash is that of the token's own algorithm, cut in half: so its length tells which
    halves = [
        urlsafe_b64encode(found[: len(found) // 2]).rstrip(b"=")
        for found in (method(access_token.encode()).digest() for method in _HASHES)
    ]
    if not isinstance(named, str) or named.encode() not in halves:
        raise refused("it came with an access token that is another's")


def check_logout(claims: Mapping[str, Any]) -> datetime:
    """Return until when a logout token of these claims could be shown.

    Raises:
        UnauthenticatedError: an ID token, or something else, passed off as one.
    """
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT_EVENT), dict):
        raise refused("it announces no logout")
    if "nonce" in claims:
        raise refused("it is an ID token")
    return _moment(claims, "exp") + LEEWAY


def refused(why: str) -> UnauthenticatedError:
    """Return the error of an answer that proves nobody."""
    return UnauthenticatedError(
        f"the identity provider's answer cannot be used: {why}", next_step="sign in again"
    )


def _key_id(token: str) -> str | None:
    """Return which key the token names; that it is signed by it is for ``jwt.decode`` to say."""
    head = token.partition(".")[0]
    try:
        found = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        raise refused("it is not a token") from None
    name = found.get("kid") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    names = [audience] if isinstance(audience, str) else audience
    if not isinstance(names, list) or client_id not in names:
        raise refused("it is meant for another service")
    party = claims.get("azp")
    if (len(names) > 1 or party is not None) and party != client_id:
        raise refused("it was given to another service")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    if _moment(claims, "exp") + LEEWAY <= now:
        raise refused("it has expired")
    if _moment(claims, "iat") - LEEWAY > now:
        raise refused("it was issued in the future; compare the clocks")
    if "nbf" in claims and _moment(claims, "nbf") - LEEWAY > now:
        raise refused("it is not valid yet")


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"it has no {name}")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise refused(f"its {name} is no moment") from None
