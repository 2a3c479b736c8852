"""Leaving a provider ends what was begun through it: by subject, by session, once for each word."""

from __future__ import annotations

import threading
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.integration.control_plane_in_memory import running
from tests.integration.openid_provider import SECRET, Browser, openid_provider
from tests.integration.signed_tokens import issuer

from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.entrypoints.web_ui.installation import install
from protem.identity.oidc import OidcProvider, OidcSettings
from protem.identity.oidc.claims import ClaimRules
from protem.services.sign_in import SignInRules
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

OURS = "http://protem.test"
LOGOUT = {"http://schemas.openid.net/event/backchannel-logout": {}}
PROVIDERS = {"staff": "sub", "entra": "oid"}


def client_of(url, name, *, secret=None, subject_claim="sub"):
    """Our side of an issuer."""
    settings = OidcSettings(
        name=name,
        display=name,
        issuer=url,
        client_id="protem",
        client_secret=secret,
        claims=ClaimRules(subject_claim=subject_claim),
    )
    return OidcProvider(settings, clock=SystemClock(), randomness=SystemRandomness())


@pytest.fixture
def staff():
    """Start an issuer."""
    with issuer() as found:
        yield found


@pytest.fixture
async def stage(staff):
    """Run a control plane that knows it twice: by ``sub``, and as Entra's people are known."""
    providers = [
        (client_of(staff.url, name, subject_claim=claim), SignInRules())
        for name, claim in PROVIDERS.items()
    ]
    async with running(providers) as found:
        install(found.app, public_url=OURS)
        yield found


async def come_in(client, staff, name, **claims):
    """Sign in with an ID token of these claims."""
    left = await client.get(f"/v1/sign-in/oidc/{name}/start")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(left.headers["location"]).query)
    staff.id_token = staff.token(aud="protem", nonce=query["nonce"][0], **claims)
    answer = {"code": "any", "state": query["state"][0]}
    return await client.get(f"/v1/sign-in/oidc/{name}/callback", params=answer)


async def is_in(client):
    """Say whether this browser is signed in."""
    return (await client.get("/inbox")).status_code == 200


async def leave(stage, staff, name, **claims):
    """Announce that somebody left; return the announcement and the answer's status."""
    claims = {"aud": "protem", "events": LOGOUT, "sub": None} | claims
    token = staff.token(**claims)
    return token, await announce(stage, name, token)


async def announce(stage, name, token):
    """Bring a logout token."""
    async with stage.client() as anybody:
        path = f"/v1/sign-in/oidc/{name}/left"
        return (await anybody.post(path, data={"logout_token": token})).status_code


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "said", [{"sub": "dana"}, {"sid": "s1"}, {"sub": "dana", "sid": "other"}], ids=str
)
async def test_who_left_there_is_signed_out_here_everywhere(stage, staff, name, said):
    """Named by subject, or by the one session alone; others stay."""
    async with stage.client() as one, stage.client() as two, stage.client() as ben:
        await come_in(one, staff, name, sub="dana", oid="d-1", sid="s1")
        await come_in(two, staff, name, sub="dana", oid="d-1", sid="s2")
        await come_in(ben, staff, name, sub="ben", oid="b-1", sid="s3")
        assert all([await is_in(each) for each in (one, two, ben)])
        assert (await leave(stage, staff, name, **said))[1] == 200
        assert [await is_in(each) for each in (one, two, ben)] == [False, False, True]


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_word_ends_what_was_before_it_and_nothing_after(stage, staff, name):
    """The same announcement, shown again by whoever saw it, does nothing."""
    async with stage.client() as dana:
        await come_in(dana, staff, name, sub="dana", oid="d-1", sid="s1")
        token, status = await leave(stage, staff, name, sub="dana")
        assert status == 200
        await come_in(dana, staff, name, sub="dana", oid="d-1", sid="s2")
        assert await announce(stage, name, token) == 400
        assert await is_in(dana)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"sid": ""},
        {"sid": 7},
        {"sub": "", "sid": "s1"},
        {"sub": ["dana"], "sid": "s1"},
        {"sub": "dana", "jti": None},
        {"sub": "dana", "jti": ""},
        {"sub": "dana", "events": {}},
        {"sub": "dana", "events": {"http://schemas.openid.net/event/backchannel-logout": 1}},
        {"sub": "dana", "nonce": "n"},
        {"sub": "dana", "aud": "another"},
        {"sub": "dana", "exp": 1},
        {"sub": "dana", "exp": None},
        {"sub": "x" * 10_000},
    ],
    ids=str,
)
async def test_a_word_that_is_not_one_ends_nothing(stage, staff, said):
    """Of nobody, of no session, without a number, an ID token, another's, old: 400."""
    async with stage.client() as dana:
        await come_in(dana, staff, "staff", sub="dana", sid="s1")
        assert (await leave(stage, staff, "staff", **said))[1] == 400
        assert await is_in(dana)


async def test_a_session_of_the_same_name_at_another_issuer_goes_on(stage, staff):
    """Two providers may number their sessions alike."""
    async with stage.client() as dana:
        await come_in(dana, staff, "staff", sub="dana", sid="s1")
        with issuer() as other:
            token = other.token(aud="protem", events=LOGOUT, sub=None, sid="s1")
            assert await announce(stage, "staff", token) == 400
        assert (await leave(stage, staff, "staff", sid="s2"))[1] == 200
        assert await is_in(dana)


async def test_entras_people_are_who_the_directory_says(stage, staff):
    """``oid`` is the identity; without one nobody comes in, whatever ``sub`` says."""
    async with stage.client() as client:
        assert (await come_in(client, staff, "entra", sub="pairwise")).status_code == 401
        assert (await come_in(client, staff, "entra", sub="pairwise", oid=7)).status_code == 401
        assert (await come_in(client, staff, "entra", sub="pairwise", oid="d-1")).is_redirect
    accounts = await stage.store.read(lambda view: view.accounts.list())
    found = [one.principal.id for one in accounts if one.principal.id.issuer == staff.url]
    assert found == [PrincipalId(issuer=staff.url, subject="d-1")]


@contextmanager
def listening():
    """Listen where a provider announces who left; yield the address and what came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            came.append(urllib.parse.parse_qs(body.decode())["logout_token"][0])

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}/left", came
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


async def test_a_certified_providers_word_is_understood():
    """Signing out there sends a token that ends the sessions here, once."""
    callback = f"{OURS}/v1/sign-in/oidc/staff/callback"
    with (
        listening() as (address, came),
        openid_provider(callback, back_channel=address) as provider,
    ):
        provider.knows(dana={"name": "Dana"})
        ours = client_of(provider.issuer, "staff", secret=Secret(SECRET))
        browser = Browser()
        async with running([(ours, SignInRules())]) as stage, stage.client() as dana:
            install(stage.app, public_url=OURS)
            left = await dana.get("/v1/sign-in/oidc/staff/start")
            back = browser.sign_in_there(left.headers["location"], name="dana")
            await dana.get(back.removeprefix(OURS))
            assert await is_in(dana)
            leaving = await dana.get("/v1/sign-in/oidc/staff/leave")
            browser.sign_out_there(leaving.headers["location"])
            browser.close()
            assert len(came) == 1
            assert await announce(stage, "staff", came[0]) == 200
            assert not await is_in(dana)
            assert await announce(stage, "staff", came[0]) == 400
