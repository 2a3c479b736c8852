"""A certified provider's tokens for jobs; those of people and of jobs are not exchanged."""

from __future__ import annotations

from functools import partial

import httpx2
import pytest
from tests.integration.control_plane_in_memory import running
from tests.integration.openid_provider import SECRET, Browser, openid_provider

from protem.domain.identifiers import GroupName
from protem.domain.secret import Secret
from protem.entrypoints.web_ui.installation import install
from protem.identity.local import LocalIdentity
from protem.identity.oidc import OidcProvider, OidcSettings
from protem.identity.oidc.workloads import OidcWorkloads, WorkloadRule
from protem.services.sign_in import SignInRules
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

OURS = "http://protem.test"
CALLBACK = f"{OURS}/v1/sign-in/oidc/staff/callback"
JOBS = {"ci": {"repository": "acme/shop", "nested": {"namespace": "prod"}}}


@pytest.fixture(scope="module")
def provider():
    """Start a certified provider that knows a job and a person."""
    with openid_provider(CALLBACK, jobs=JOBS) as found:
        found.knows(dana={"name": "Dana"})
        yield found


@pytest.fixture
async def stage(provider):
    """Run a control plane that trusts it for people and for jobs."""
    clock = SystemClock()
    rule = WorkloadRule(
        name="ci",
        issuer=provider.issuer,
        audience=OURS,
        conditions={"repository": "acme/*", "nested": {"namespace": ["test", "prod"]}},
        groups=frozenset({GroupName("ci")}),
    )
    settings = OidcSettings(
        name="staff",
        display="Staff",
        issuer=provider.issuer,
        client_id="protem",
        client_secret=Secret(SECRET),
    )
    staff = OidcProvider(settings, clock=clock, randomness=SystemRandomness())
    prover = OidcWorkloads([rule], clock)
    identity = partial(LocalIdentity, issuers=frozenset({provider.issuer}))
    async with running([(staff, SignInRules())], identity, prover) as found:
        install(found.app, public_url=OURS)
        yield found
    await prover.close()


def job_token(provider, audience=OURS):
    """Ask the provider for a token, as a job does."""
    with httpx2.Client(trust_env=False) as http:
        answer = http.post(
            f"{provider.issuer}/token",
            data={"grant_type": "client_credentials", "resource": audience},
            auth=("ci", "only-for-tests"),
        )
    return answer.json()["access_token"]


async def show(stage, token):
    """Show a token as a workload's."""
    return await stage.call(None, "POST", "/v1/sign-in/workload", json={"token": token})


async def test_a_job_signs_in_with_the_providers_token(stage, provider):
    """Once, for us alone."""
    token = job_token(provider)
    answer = await show(stage, token)
    assert answer.status_code == 200, answer.text
    assert answer.json()["principal"]["id"] == f"{provider.issuer}|ci:ci"
    assert (await show(stage, token)).status_code == 401
    assert (await show(stage, job_token(provider, "https://another.test"))).status_code == 401


async def test_a_persons_token_is_no_workloads(stage, monkeypatch):
    """The ID token that a person came in with opens no workload's session."""
    seen = []
    honest = OidcProvider._redeem

    async def watching(self, *arguments):
        tokens = await honest(self, *arguments)
        seen.append(tokens["id_token"])
        return tokens

    monkeypatch.setattr(OidcProvider, "_redeem", watching)
    browser = Browser()
    async with stage.client() as client:
        left = await client.get("/v1/sign-in/oidc/staff/start")
        back = browser.sign_in_there(left.headers["location"], name="dana")
        assert (await client.get(back.removeprefix(OURS))).status_code == 303
    browser.close()
    assert seen
    assert (await show(stage, seen[0])).status_code == 401
