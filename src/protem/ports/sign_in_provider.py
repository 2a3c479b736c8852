"""Signing in elsewhere, as a port: a provider that proves people by sending them back to us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from protem.domain.proved_people import Departure, ProvedPerson
from protem.domain.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInBegun:
    """A sign-in under way; the browser keeps all of it, sealed, and brings it back.

    Attributes:
        address: where to send the browser.
        state: comes back with the answer; ties it to this browser.
        nonce: comes back inside the proof; ties it to this sign-in.
        verifier: what only we can show when the answer is redeemed (RFC 7636).
    """

    address: str
    state: str
    nonce: str
    verifier: Secret


class SignInProvider(Protocol):
    """One configured provider."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    @property
    def display(self) -> str:
        """What its button says."""
        ...

    @property
    def issuer(self) -> str:
        """Whose subjects it proves."""
        ...

    async def begin(self, *, callback: str) -> SignInBegun:
        """Begin a sign-in that comes back to ``callback``.

        Raises:
            IdentityProviderError: it is away, or not what the settings say.
        """
        ...

    async def finish(
        self, begun: SignInBegun, *, callback: str, answer: Mapping[str, str]
    ) -> ProvedPerson:
        """Return who signed in, from what the browser brought back.

        Raises:
            UnauthenticatedError: the answer proves nobody: forged, old, another's, or a refusal.
            IdentityProviderError: it is away.
        """
        ...

    async def logout_address(self, *, back_to: str) -> str | None:
        """Return where a browser ends its session there; None where there is no such place."""
        ...

    async def who_left(self, logout_token: str) -> Departure:
        """Return whose sessions the provider says are over (OpenID Connect Back-Channel Logout).

        Raises:
            UnauthenticatedError: the token proves nothing.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
