"""The sign-in contract, on a real OpenID provider and on the fake."""

import urllib.parse

import pytest
from tests.integration.openid_provider import SECRET, Browser, openid_provider

from protem.domain.principals import PrincipalId
from protem.domain.proved_people import ProvedPerson
from protem.domain.secret import Secret
from protem.identity.oidc import OidcProvider, OidcSettings
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness
from protem.testing.in_memory_sign_in import InMemorySignIn
from protem.testing.sign_in_provider_contract import (
    CALLBACK,
    SignInProviderContract,
    SignInUnderTest,
)


@pytest.fixture(scope="module")
def elsewhere():
    """Start a provider once."""
    with openid_provider(CALLBACK) as found:
        found.knows(dana={"name": "Dana"})
        yield found


class TestOpenIdProvider(SignInProviderContract):
    """Authorization code with PKCE at a certified provider."""

    @pytest.fixture
    async def sign_in(self, elsewhere):
        """One client of it, and Dana's browser."""
        settings = OidcSettings(
            name="staff",
            display="Staff",
            issuer=elsewhere.issuer,
            client_id="protem",
            client_secret=Secret(SECRET),
        )
        provider = OidcProvider(settings, clock=SystemClock(), randomness=SystemRandomness())
        browser = Browser()

        def answer(begun):
            back = browser.sign_in_there(begun.address, name="dana")
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))

        yield SignInUnderTest(provider=provider, subject="dana", answer=answer)
        browser.close()
        await provider.close()


class TestInMemorySignIn(SignInProviderContract):
    """The fake."""

    @pytest.fixture
    async def sign_in(self):
        """Dana sits there."""
        identity = PrincipalId(issuer=InMemorySignIn.issuer, subject="dana")
        provider = InMemorySignIn(ProvedPerson(id=identity, display="Dana", provider="staff"))
        return SignInUnderTest(provider=provider, subject="dana", answer=provider.answer)
