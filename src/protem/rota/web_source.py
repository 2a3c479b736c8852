"""Reading from a rota's server: HTTPS, bounded in time and size.

Here: one GET, and the translation of what can go wrong. Not here: what the answer means.

Invariants: TLS, or this machine; redirects are not followed, so that a token goes nowhere else; no
error repeats an address's query or a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx2

from protem.domain.errors import InvalidError, RefusedError, RetryLaterError
from protem.domain.web_addresses import is_protected

MAX_BYTES = 5_000_000
_WITHIN_SECONDS = 10.0
_CONNECT_WITHIN_SECONDS = 5.0
_TOO_MANY, _SERVERS = 429, 500


def checked_address(url: str) -> str:
    """Return ``url`` if it may be read.

    Raises:
        InvalidError: unless it is https, or http to this very machine.
    """
    if is_protected(url):
        return url
    raise InvalidError("a rota is read over https, or from this machine")


class WebSource:
    """One server."""

    def __init__(self, name: str, headers: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": "protem", **(headers or {})},
            timeout=httpx2.Timeout(_WITHIN_SECONDS, connect=_CONNECT_WITHIN_SECONDS),
            follow_redirects=False,
        )

    async def get(self, url: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of a successful answer.

        Raises:
            RetryLaterError: no answer, or one of a server in trouble.
            RefusedError: any other answer but a success, or one that is too long.
        """
        try:
            async with self._client.stream(
                "GET", url, params=httpx2.QueryParams(list(query)) if query else None
            ) as response:
                if response.status_code == _TOO_MANY or response.status_code >= _SERVERS:
                    raise RetryLaterError(f"{self._name} answers {response.status_code}")
                if not response.is_success:
                    raise RefusedError(f"{self._name} answers {response.status_code}")
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_BYTES:
                        raise RefusedError(f"{self._name} answers more than {MAX_BYTES} bytes")
                return body
        except httpx2.HTTPError as error:
            raise RetryLaterError(
                f"{self._name} does not answer: {type(error).__name__}"
            ) from error

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
