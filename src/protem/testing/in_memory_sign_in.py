"""A sign-in provider in memory: whoever the test says signed in.

Here: the promises of the port without any protocol. Not here: signatures and addresses that mean
something.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count

from protem.domain.errors import UnauthenticatedError
from protem.domain.principals import PrincipalId
from protem.domain.proved_people import Departure, ProvedPerson
from protem.domain.secret import Secret
from protem.ports.sign_in_provider import SignInBegun


class InMemorySignIn:
    """Proves the one person who is said to sit in front of the browser."""

    name, display, issuer = "staff", "Staff", "https://in-memory.test"

    def __init__(self, person: ProvedPerson) -> None:
        self.person = person
        self._numbers = count(1)
        self._begun: dict[str, SignInBegun] = {}

    async def begin(self, *, callback: str) -> SignInBegun:
        """Begin a sign-in."""
        number = next(self._numbers)
        begun = SignInBegun(
            address=f"{self.issuer}/?back={callback}",
            state=f"state {number}",
            nonce=f"nonce {number}",
            verifier=Secret(f"verifier {number}"),
        )
        self._begun[f"code {number}"] = begun
        return begun

    def answer(self, begun: SignInBegun) -> Mapping[str, str]:
        """Return what the browser brings back."""
        code = next(code for code, known in self._begun.items() if known == begun)
        return {"state": begun.state, "code": code}

    async def finish(
        self, begun: SignInBegun, *, callback: str, answer: Mapping[str, str]
    ) -> ProvedPerson:
        """Return the person, for an answer of this very sign-in."""
        fits = answer.get("state") == begun.state
        if not (callback and fits and self._begun.get(answer.get("code", "")) == begun):
            raise UnauthenticatedError("this answer proves nobody")
        return self.person

    async def logout_address(self, *, back_to: str) -> str | None:
        """Return where its session ends."""
        return f"{self.issuer}/out?back={back_to}"

    async def who_left(self, logout_token: str) -> Departure:
        """Return whose sessions are over: the token is the subject, after ``left ``."""
        if not logout_token.startswith("left "):
            raise UnauthenticatedError("this token announces nothing")
        subject = logout_token.removeprefix("left ")
        return Departure(
            person=PrincipalId(issuer=self.issuer, subject=subject),
            mark=b"",
            digest=sha256(logout_token.encode()).digest(),
            until=datetime(9999, 1, 1, tzinfo=UTC),
        )

    async def close(self) -> None:
        """Nothing to let go of."""
