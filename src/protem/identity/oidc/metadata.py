"""What a provider publishes about itself: addresses and keys (OpenID Connect Discovery 1.0).

Here: fetching, checking, and keeping both for a while. Not here: what they are used for.

Invariants:
- The issuer that a provider claims is, character for character, the one in the settings.
- A key that is not known is looked for once, and then at most every ``_LOOK_AGAIN``: forged tokens
  cannot make us flood the provider.
- Of many who wait for a provider that does not answer, one waits: nobody can pile calls up.
- What is kept goes on to be used while the provider is away, for at most ``_KEPT_AT_MOST``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from protem.domain.errors import IdentityProviderError, InvalidError
from protem.domain.web_addresses import checked_address
from protem.identity.oidc.fetching import ProviderClient
from protem.ports.clock import Clock

_FRESH = timedelta(minutes=10)
_KEPT_AT_MOST = timedelta(hours=24)
_LOOK_AGAIN = timedelta(seconds=30)
_AWAY_FOR = timedelta(seconds=2)
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What we use of the discovery document.

    Attributes:
        names_itself: the provider puts its issuer into every answer (RFC 9207).
        takes_basic: the client's secret may be sent as HTTP Basic authentication.
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    names_itself: bool
    takes_basic: bool


class MetadataSource:
    """Metadata and keys of one provider."""

    def __init__(
        self,
        *,
        name: str,
        issuer: str,
        client: ProviderClient,
        clock: Clock,
        only_keys: bool = False,
    ) -> None:
        """Know one issuer; with ``only_keys`` it signs tokens and nobody signs in there."""
        self._only_keys = only_keys
        self._name, self._issuer = name, issuer
        self._client, self._clock = client, clock
        self._lock = asyncio.Lock()
        self._metadata: tuple[datetime, Metadata] | None = None
        self._keys: tuple[datetime, KeySet] | None = None
        self._looked_at: datetime | None = None
        self._away: tuple[datetime, IdentityProviderError] | None = None

    async def metadata(self) -> Metadata:
        """Return what the provider says of itself.

        Raises:
            IdentityProviderError: it cannot be had, or is not what the settings say.
        """
        async with self._lock:
            return await self._metadata_now()

    async def keys(self, wanted: str | None = None) -> KeySet:
        """Return the provider's keys, fetched anew when ``wanted`` is not among those at hand.

        Raises:
            IdentityProviderError: they cannot be had.
        """
        async with self._lock:
            now = self._clock.now()
            kept = self._keys
            if kept is not None and _knows(kept[1], wanted) and now - kept[0] < _FRESH:
                return kept[1]
            looked = self._looked_at
            if kept is not None and looked is not None and now - looked < _LOOK_AGAIN:
                return kept[1]
            self._looked_at = now
            try:
                metadata = await self._metadata_now()
                found = self._key_set(await self._ask(metadata.jwks_uri))
            except IdentityProviderError:
                if kept is not None and now - kept[0] < _KEPT_AT_MOST:
                    return kept[1]
                raise
            self._keys = now, found
            return found

    async def _metadata_now(self) -> Metadata:
        now, kept = self._clock.now(), self._metadata
        if kept is not None and now - kept[0] < _FRESH:
            return kept[1]
        try:
            document = await self._ask(self._issuer.rstrip("/") + _WELL_KNOWN)
            found = self._checked(document)
        except IdentityProviderError:
            if kept is not None and now - kept[0] < _KEPT_AT_MOST:
                return kept[1]
            raise
        self._metadata = now, found
        return found

    async def _ask(self, address: str) -> Mapping[str, Any]:
        """Return a document; who just got no answer speaks for those who ask right after."""
        if self._away is not None and self._clock.now() - self._away[0] < _AWAY_FOR:
            known = self._away[1]
            raise IdentityProviderError(known.message, next_step=known.next_step)
        try:
            document = await self._client.get_document(address)
        except IdentityProviderError as error:
            self._away = self._clock.now(), error
            raise
        self._away = None
        return document

    def _checked(self, document: Mapping[str, Any]) -> Metadata:
        if document.get("issuer") != self._issuer:
            raise self._wrong(
                f"calls itself {ascii(document.get('issuer'))[:200]}, not {self._issuer}"
            )
        try:
            addresses = {
                key: checked_address(str(document[key]), key)
                for key in (("jwks_uri",) if self._only_keys else _ENDPOINTS)
            }
            end = document.get("end_session_endpoint")
            end = None if end is None else checked_address(str(end), "end_session_endpoint")
        except (KeyError, InvalidError) as error:
            raise self._wrong(f"publishes no usable {error}") from error
        ways = document.get("token_endpoint_auth_methods_supported")
        return Metadata(
            **{"authorization_endpoint": "", "token_endpoint": "", **addresses},
            end_session_endpoint=end,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
            takes_basic=not isinstance(ways, list) or "client_secret_basic" in ways,
        )

    def _key_set(self, document: Mapping[str, Any]) -> KeySet:
        keys = document.get("keys")
        usable = []
        for key in keys if isinstance(keys, list) else []:
            try:
                # symmetric keys never: whoever knows the public half could sign (RFC 8725, 3.1)
                if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP"):
                    KeySet.import_key_set({"keys": [key]})
                    usable.append(key)
            except (JoseError, ValueError, TypeError, KeyError):
                continue  # a kind of key that we do not know is no reason to refuse the others
        if not usable:
            raise self._wrong("publishes no key that we can use")
        return KeySet.import_key_set({"keys": usable})

    def _table(self) -> str:
        return "workloads" if self._only_keys else "oidc"

    def _wrong(self, why: str) -> IdentityProviderError:
        return IdentityProviderError(
            f"identity provider {self._name} {why}",
            next_step=f"check [identity.{self._table()}.{self._name}] in the settings file",
        )


def _knows(keys: KeySet, wanted: str | None) -> bool:
    return wanted is None or any(key.kid == wanted for key in keys.keys)
