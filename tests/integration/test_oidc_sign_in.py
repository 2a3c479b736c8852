"""Signing in with a real OpenID provider: who comes in, with which groups, and out again."""

from __future__ import annotations

import json
import re
import urllib.parse

import pytest
from tests.integration.control_plane_in_memory import running
from tests.integration.openid_provider import SECRET, Browser, openid_provider

from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.entrypoints.web_ui.installation import install
from protem.identity.oidc import OidcProvider, OidcSettings
from protem.services.manage_accounts import disable_account
from protem.services.sign_in import SignInRules
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

OURS = "http://protem.test"
START = "/v1/sign-in/oidc/staff/start"
CALLBACK = f"{OURS}/v1/sign-in/oidc/staff/callback"
DANA = {"name": "Dana", "groups": ["engineers", "protem:declared", "no good name!", 7]}


def staff(issuer, *, secret=SECRET):
    """Our side of the provider."""
    settings = OidcSettings(
        name="staff",
        display="Staff",
        issuer=issuer,
        client_id="protem",
        client_secret=Secret(secret),
    )
    return OidcProvider(settings, clock=SystemClock(), randomness=SystemRandomness())


@pytest.fixture(scope="module")
def provider():
    """Start one real provider with one person."""
    with openid_provider(CALLBACK) as found:
        found.knows(dana=DANA)
        yield found


@pytest.fixture
async def stage(provider):
    """Run a control plane that trusts it."""
    async with running(sign_in=[(staff(provider.issuer), SignInRules())]) as found:
        install(found.app, public_url=OURS)
        yield found


@pytest.fixture
def browser():
    """Open a browser for what happens at the provider."""
    found = Browser()
    yield found
    found.close()


async def come_in(client, browser, *, name="dana", wanted="/inbox"):
    """Sign in as a person would; return our answer to what the browser brought back."""
    left = await client.get(START, params={"next": wanted})
    assert left.status_code == 303
    back = browser.sign_in_there(left.headers["location"], name=name)
    return await client.get(back.removeprefix(OURS))


async def test_a_person_comes_in_with_the_groups_that_the_provider_names(stage, browser):
    """Identity is issuer and subject; names that cannot be groups grant nothing."""
    async with stage.client() as client:
        answer = await come_in(client, browser)
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
        assert (await client.get("/inbox")).status_code == 200
    accounts = await stage.store.read(lambda view: view.accounts.list())
    found = next(one.principal for one in accounts if one.principal.id.subject == "dana")
    assert found.id.issuer.startswith("http://127.0.0.1:")
    assert (found.display, found.groups) == ("Dana", frozenset({GroupName("engineers")}))


async def test_groups_follow_the_provider_at_the_next_sign_in(stage, provider, browser):
    """What it does not name any more is gone."""
    async with stage.client() as client:
        await come_in(client, browser)
    provider.knows(dana={"name": "Dana", "groups": ["owners"]})
    try:
        fresh = Browser()
        async with stage.client() as client:
            await come_in(client, fresh)
        fresh.close()
    finally:
        provider.knows(dana=DANA)
    who = PrincipalId(issuer=provider.issuer, subject="dana")
    account = await stage.store.read(lambda view: view.accounts.get(who))
    assert account.principal.groups == frozenset({GroupName("owners")})


async def test_a_disabled_account_does_not_come_in_and_its_session_ends(stage, provider, browser):
    """Whoever vouches for it."""
    who = PrincipalId(issuer=provider.issuer, subject="dana")
    async with stage.client() as client:
        await come_in(client, browser)
        await disable_account(stage.plane.around, "test", who)
        assert (await client.get("/inbox")).headers["location"].startswith("/sign-in")
        again = await come_in(client, browser)
    assert again.status_code == 401
    assert "may not sign in" in again.text


async def test_people_whom_no_directory_provisioned_stay_out_where_it_must(provider, browser):
    """With groups from SCIM the provider only proves."""
    rules = SignInRules(provisioned_only=True)
    async with running(sign_in=[(staff(provider.issuer), rules)]) as stage:
        install(stage.app, public_url=OURS)
        async with stage.client() as client:
            answer = await come_in(client, browser)
    assert answer.status_code == 401
    assert "provisioned" in answer.text


async def test_what_came_back_is_good_once_and_in_this_browser_alone(stage, browser):
    """The same address again, or in another browser, proves nobody."""
    async with stage.client() as client, stage.client() as other:
        left = await client.get(START)
        back = browser.sign_in_there(left.headers["location"], name="dana").removeprefix(OURS)
        assert (await other.get(back)).status_code == 401
        kept = dict(client.cookies)
        assert (await client.get(back)).status_code == 303
        for name, value in kept.items():
            client.cookies.set(name, value, domain="protem.test", path="/v1/sign-in/oidc")
        assert (await client.get(back)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"state": "x"},
        {"code": "x"},
        {"code": ""},
        {"iss": "https://evil.example"},
        {"iss": ""},
        {"error": "access_denied\x1b[2J", "code": ""},
        {"state": "\u202e" * 3},
    ],
)
async def test_an_answer_that_was_changed_proves_nobody(stage, browser, change):
    """A page says so, and no session comes of it."""
    async with stage.client() as client:
        left = await client.get(START)
        back = urllib.parse.urlsplit(browser.sign_in_there(left.headers["location"], name="dana"))
        query = {**dict(urllib.parse.parse_qsl(back.query)), **change}
        answer = await client.get(back.path, params=query)
        assert answer.status_code == 401
        assert "\x1b" not in answer.text
        assert (await client.get("/inbox")).headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_nobody_is_sent_on_to_another_site(stage, browser, wanted):
    """An open redirect would lend our name to whoever wants it."""
    async with stage.client() as client:
        answer = await come_in(client, browser, wanted=wanted)
    assert answer.headers["location"] == "/inbox"


async def test_a_provider_that_is_away_is_named_and_others_still_come_in():
    """Local accounts do not need it; neither does the server to start."""
    async with running(sign_in=[(staff("http://127.0.0.1:9"), SignInRules())]) as stage:
        install(stage.app, public_url=OURS)
        async with stage.client() as client:
            away = await client.get(START)
            assert away.status_code == 503
            assert "identity provider staff does not answer" in away.text
            assert (await client.get("/sign-in")).status_code == 200


async def test_a_wrong_client_secret_proves_nobody(provider, browser):
    """The provider's refusal is told in its own word."""
    async with running(sign_in=[(staff(provider.issuer, secret="no"), SignInRules())]) as stage:
        install(stage.app, public_url=OURS)
        async with stage.client() as client:
            answer = await come_in(client, browser)
    assert answer.status_code == 401
    assert "invalid_client" in answer.text


async def test_an_issuer_that_calls_itself_otherwise_is_refused(provider):
    """Character for character: a slash too many is another issuer."""
    async with running(sign_in=[(staff(provider.issuer + "/"), SignInRules())]) as stage:
        install(stage.app, public_url=OURS)
        async with stage.client() as client:
            answer = await client.get(START)
    assert answer.status_code == 503
    assert "calls itself" in answer.text


async def test_a_terminal_is_signed_in_from_the_browser(stage, browser):
    """The long code and a person's yes together make a session; the code makes one only."""
    async with stage.client() as terminal, stage.client() as client:
        codes = (await terminal.post("/v1/sign-in/device", json={"said": "x\x1b[2J"})).json()
        redeem = {"device_code": codes["device_code"]}
        assert (await terminal.post("/v1/sign-in/device/redeem", json=redeem)).status_code == 202
        await come_in(client, browser)
        page = await client.get(codes["path"])
        assert codes["user_code"] in page.text
        assert "\x1b" not in page.text
        token = re.search(r'name="anti_forgery" value="([^"]+)"', page.text)[1]
        form = {"anti_forgery": token, "code": codes["user_code"].lower(), "verdict": "approve"}
        said = await client.post("/device", data=form, headers={"origin": OURS})
        assert "signed in as you" in said.text
        session = (await terminal.post("/v1/sign-in/device/redeem", json=redeem)).json()
        assert session["principal"]["subject"] == "dana"
        headers = {"authorization": f"Bearer {session['token']}"}
        assert (await terminal.get("/v1/me", headers=headers)).json()["subject"] == "dana"
        again = await terminal.post("/v1/sign-in/device/redeem", json=redeem)
        assert again.status_code == 401


async def test_a_terminal_that_was_refused_gets_nothing(stage, browser):
    """And another site's form cannot say yes."""
    async with stage.client() as terminal, stage.client() as client:
        codes = (await terminal.post("/v1/sign-in/device", json={})).json()
        redeem = {"device_code": codes["device_code"]}
        await come_in(client, browser)
        page = await client.get(codes["path"])
        token = re.search(r'name="anti_forgery" value="([^"]+)"', page.text)[1]
        form = {"anti_forgery": token, "code": codes["user_code"], "verdict": "approve"}
        forged = await client.post("/device", data=form, headers={"origin": "https://evil.example"})
        assert forged.status_code == 403
        form |= {"verdict": "deny"}
        await client.post("/device", data=form, headers={"origin": OURS})
        assert (await terminal.post("/v1/sign-in/device/redeem", json=redeem)).status_code == 403


async def test_signing_out_here_shows_where_one_is_still_signed_in(stage, provider, browser):
    """And leads there."""
    async with stage.client() as client:
        await come_in(client, browser)
        page = await client.get("/inbox")
        token = re.search(r'name="anti_forgery" value="([^"]+)"', page.text)[1]
        out = await client.post("/sign-out", data={"anti_forgery": token}, headers={"origin": OURS})
        shown = await client.get(out.headers["location"])
        assert "still signed in at Staff" in shown.text
        leave = await client.get("/v1/sign-in/oidc/staff/leave")
        assert leave.headers["location"].startswith(f"{provider.issuer}/session/end?")


async def test_a_logout_token_that_is_none_ends_nothing(stage, browser):
    """An ID token, rubbish, nothing: 400, and the session goes on."""
    async with stage.client() as client:
        await come_in(client, browser)
        for token in ("", "x", "a.b.c", json.dumps({})):
            left = await client.post("/v1/sign-in/oidc/staff/left", data={"logout_token": token})
            assert left.status_code == 400
        assert (await client.get("/inbox")).status_code == 200
