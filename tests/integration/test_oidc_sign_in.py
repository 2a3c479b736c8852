"""Signing in with a real OpenID provider: who comes in, with which groups, and who does not."""

from __future__ import annotations

from tests.integration.openid_provider import SECRET

from protem.domain.secret import Secret
from protem.identity.oidc import OidcProvider, OidcSettings
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

OURS = "http://protem.test"
CALLBACK = f"{OURS}/v1/sign-in/oidc/staff/callback"
LEFT = "/v1/sign-in/oidc/staff/left"


def client_of(issuer, *, secret=SECRET):
    """Our side of a provider."""
    settings = OidcSettings(
        name="staff",
        display="Staff",
        issuer=issuer,
        client_id="protem",
        client_secret=Secret(secret),
        scopes=("openid", "profile", "email"),
    )
    return OidcProvider(settings, clock=SystemClock(), randomness=SystemRandomness())
