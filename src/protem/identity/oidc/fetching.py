"""Asking an identity provider: bounded in time and size, never redirected.

Here: one client, and every way of failing turned into one error that names the provider. Not here:
what is asked.

Invariants: nothing goes over the network in clear text but to this very machine; no answer is read
past its bound; a redirect is an error, since it would carry a code or a secret elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx2

from protem.domain.errors import IdentityProviderError

_WITHIN_SECONDS = 8.0
_MOST_BYTES = 1_048_576


class ProviderClient:
    """Calls of one provider."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._http: httpx2.AsyncClient | None = None

    async def get_document(self, address: str) -> Mapping[str, Any]:
        """Return a JSON object.

        Raises:
            IdentityProviderError: it is away, or answers something else.
        """
        return await self._document("GET", address)

    async def post_form(
        self, address: str, form: Mapping[str, str], basic: tuple[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Return the JSON object that answers a form.

        Raises:
            IdentityProviderError: as above; an error of the protocol is in the object instead.
        """
        return await self._document("POST", address, form=form, basic=basic)

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _document(
        self,
        method: str,
        address: str,
        *,
        form: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Mapping[str, Any]:
        try:
            # of the whole answer: the client's own limits are of each read, and bytes can drip
            async with (
                asyncio.timeout(_WITHIN_SECONDS),
                self._client().stream(
                    method,
                    address,
                    data=dict(form) if form is not None else None,
                    auth=httpx2.BasicAuth(*basic) if basic else None,
                ) as response,
            ):
                body = await self._bounded(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise self._away(f"does not answer ({type(error).__name__})") from error
        expected = response.status_code == httpx2.codes.OK or (
            form is not None and response.status_code in (400, 401)
        )
        if not expected:
            raise self._away(f"answered {response.status_code}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._away("answered something that is not JSON") from error
        if not isinstance(found, dict):
            raise self._away("answered JSON that is not an object")
        return found

    async def _bounded(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                raise self._away(f"answered more than {_MOST_BYTES} bytes")
        return bytes(body)

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(_WITHIN_SECONDS),
                follow_redirects=False,
                headers={"Accept": "application/json"},
            )
        return self._http

    def _away(self, why: str) -> IdentityProviderError:
        return IdentityProviderError(
            f"identity provider {self._name} {why}",
            next_step="sign in with a one-time token of a local account, or try again",
        )
