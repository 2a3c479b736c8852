"""What every sign-in provider promises, as a suite.

Here: the promises of ``ports.sign_in_provider``. Not here: how somebody signs in there; the fixture
says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from protem.domain.errors import UnauthenticatedError
from protem.domain.secret import Secret
from protem.ports.sign_in_provider import SignInBegun, SignInProvider

CALLBACK = "http://protem.test/v1/sign-in/oidc/staff/callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInUnderTest:
    """A provider and a person who signs in there.

    Attributes:
        subject: of the person.
        answer: what the browser brings back when the person signed in.
    """

    provider: SignInProvider
    subject: str
    answer: Callable[[SignInBegun], Mapping[str, str]]


class SignInProviderContract:
    """Override ``sign_in``."""

    @pytest.fixture
    async def sign_in(self) -> SignInUnderTest:
        """The provider under test."""
        raise NotImplementedError

    async def test_the_answer_proves_who_signed_in(self, sign_in: SignInUnderTest) -> None:
        """Issuer and subject, and the provider's name."""
        provider = sign_in.provider
        begun = await provider.begin(callback=CALLBACK)
        proved = await provider.finish(begun, callback=CALLBACK, answer=sign_in.answer(begun))
        assert (proved.id.issuer, proved.id.subject) == (provider.issuer, sign_in.subject)
        assert proved.provider == provider.name

    async def test_every_sign_in_is_told_apart(self, sign_in: SignInUnderTest) -> None:
        """State, nonce and verifier are new each time."""
        begun = [await sign_in.provider.begin(callback=CALLBACK) for _ in range(5)]
        for values in (
            {one.state for one in begun},
            {one.nonce for one in begun},
            {one.verifier.reveal() for one in begun},
        ):
            assert len(values) == len(begun)

    async def test_an_answer_fits_its_own_sign_in_alone(self, sign_in: SignInUnderTest) -> None:
        """Another browser's state, nonce or verifier proves nobody."""
        provider = sign_in.provider
        strange = "x" * 43
        changes: tuple[Callable[[SignInBegun], SignInBegun], ...] = (
            lambda begun: replace(begun, state=strange),
            lambda begun: replace(begun, nonce=strange),
            lambda begun: replace(begun, verifier=Secret(strange)),
        )
        for change in changes:
            begun = await provider.begin(callback=CALLBACK)
            answer = sign_in.answer(begun)
            with pytest.raises(UnauthenticatedError):
                await provider.finish(change(begun), callback=CALLBACK, answer=answer)

    @pytest.mark.parametrize("answer", [{}, {"code": "x"}, {"error": "access_denied"}])
    async def test_no_answer_proves_nobody(
        self, sign_in: SignInUnderTest, answer: dict[str, str]
    ) -> None:
        """A refusal there is one here."""
        begun = await sign_in.provider.begin(callback=CALLBACK)
        with pytest.raises(UnauthenticatedError):
            await sign_in.provider.finish(
                begun, callback=CALLBACK, answer={"state": begun.state, **answer}
            )

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u202e", "x" * 100_000])
    async def test_rubbish_ends_nobodys_sessions(
        self, sign_in: SignInUnderTest, token: str
    ) -> None:
        """Whoever can reach us could send it."""
        with pytest.raises(UnauthenticatedError):
            await sign_in.provider.who_left(token)
