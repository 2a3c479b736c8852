"""One OpenID provider behind the sign-in port: authorization code with PKCE.

Here: the two legs of the flow, logout both ways. Not here: keeping what lies between the legs (the
browser, sealed), sessions (services), tokens' validity (tokens).

Sources: OpenID Connect Core 1.0, RFC 7636 (PKCE, S256 only), RFC 9207 (issuer in the answer), RFC
9700 (best practice).

Invariants: no token of the provider outlives ``finish``: nothing of it is kept that could be used
at the provider or anywhere else.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from protem.domain.errors import IdentityProviderError
from protem.domain.proved_people import Departure, ProvedPerson
from protem.domain.secret import Secret
from protem.identity.oidc.claims import ClaimRules, departure_of, person_of
from protem.identity.oidc.fetching import ProviderClient
from protem.identity.oidc.metadata import Metadata, MetadataSource
from protem.identity.oidc.tokens import (
    TokenRules,
    check_access_token,
    check_logout,
    refused,
    verified_claims,
)
from protem.ports.clock import Clock
from protem.ports.randomness import Randomness
from protem.ports.sign_in_provider import SignInBegun


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """What the settings file says of one provider."""

    name: str
    display: str
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    claims: ClaimRules = ClaimRules()  # noqa: RUF009  # immutable


class OidcProvider:
    """A provider that proves people."""

    def __init__(self, settings: OidcSettings, *, clock: Clock, randomness: Randomness) -> None:
        self._settings = settings
        self._clock, self._randomness = clock, randomness
        self._client = ProviderClient(settings.name)
        self._source = MetadataSource(
            name=settings.name, issuer=settings.issuer, client=self._client, clock=clock
        )
        self._rules = TokenRules(issuer=settings.issuer, audience=settings.client_id)

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._settings.name

    @property
    def display(self) -> str:
        """What its button says."""
        return self._settings.display

    @property
    def issuer(self) -> str:
        """Whose subjects it proves."""
        return self._settings.issuer

    async def begin(self, *, callback: str) -> SignInBegun:
        """Begin a sign-in that comes back to ``callback``."""
        metadata = await self._source.metadata()
        state, nonce = self._randomness.token().reveal(), self._randomness.token().reveal()
        verifier = self._randomness.token()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": callback,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        address = f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"
        return SignInBegun(address=address, state=state, nonce=nonce, verifier=verifier)

    async def finish(
        self, begun: SignInBegun, *, callback: str, answer: Mapping[str, str]
    ) -> ProvedPerson:
        """Return who signed in, from what the browser brought back."""
        metadata = await self._source.metadata()
        code = self._code_of(metadata, begun, answer)
        tokens = await self._redeem(metadata, begun, callback, code)
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise refused(f"it holds no ID token{_said(tokens)}")
        claims = await verified_claims(
            token, source=self._source, rules=self._rules, clock=self._clock
        )
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), begun.nonce.encode()):
            raise refused("it belongs to another sign-in")
        check_access_token(claims, tokens.get("access_token"))
        return person_of(
            claims, issuer=self.issuer, provider=self.name, rules=self._settings.claims
        )

    async def logout_address(self, *, back_to: str) -> str | None:
        """Return where a browser ends its session there; None where there is no such place."""
        try:
            metadata = await self._source.metadata()
        except IdentityProviderError:
            return None  # being signed out here does not wait for there
        if metadata.end_session_endpoint is None:
            return None
        query = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back_to}
        joint = "&" if "?" in metadata.end_session_endpoint else "?"
        return f"{metadata.end_session_endpoint}{joint}{urlencode(query)}"

    async def who_left(self, logout_token: str) -> Departure:
        """Return whose sessions the provider says are over."""
        claims = await verified_claims(
            logout_token, source=self._source, rules=self._rules, clock=self._clock
        )
        until = check_logout(claims)
        return departure_of(claims, issuer=self.issuer, rules=self._settings.claims, until=until)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    def _code_of(self, metadata: Metadata, begun: SignInBegun, answer: Mapping[str, str]) -> str:
        if not hmac.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise refused("it belongs to another browser or another sign-in")
        named = answer.get("iss")
        if (named is not None or metadata.names_itself) and named != self.issuer:
            raise refused("it comes from another provider")
        code = answer.get("code")
        if not code:
            raise refused(f"the provider said no{_said(answer)}")
        return code

    async def _redeem(
        self, metadata: Metadata, begun: SignInBegun, callback: str, code: str
    ) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": begun.verifier.reveal(),
        }
        secret, client_id = self._settings.client_secret, self._settings.client_id
        basic = None
        if secret is not None and metadata.takes_basic:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined
            basic = quote(client_id, safe=""), quote(secret.reveal(), safe="")
        else:
            form["client_id"] = client_id
            if secret is not None:
                form["client_secret"] = secret.reveal()
        return await self._client.post_form(metadata.token_endpoint, form, basic)


def _challenge(verifier: Secret) -> str:
    digest = hashlib.sha256(verifier.reveal().encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _said(answer: Mapping[str, Any]) -> str:
    """Return the provider's own error, made harmless; its description may hold anything."""
    said = answer.get("error")
    return f" ({ascii(said)[1:-1][:80]})" if isinstance(said, str) else ""
