"""Providers that lie, answers that are swapped, hostile names: nobody comes in by them."""

from __future__ import annotations

import hashlib
import time
import urllib.parse
from base64 import urlsafe_b64encode

import pytest
from tests.integration.control_plane_in_memory import local, running
from tests.integration.signed_tokens import (
    issuer,
    signed_with_the_public_key,
    unsigned,
    with_header,
)

from protem.domain.device_sign_ins import DeviceVerdict
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.entrypoints.web_ui.installation import install
from protem.identity.oidc import OidcProvider, OidcSettings, fetching
from protem.identity.oidc.claims import ClaimRules
from protem.services.sign_in import SignInRules
from protem.services.sign_in_by_device import (
    answer_device,
    begin_device_sign_in,
    redeem_device_code,
)
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

OURS = "http://protem.test"
IN = "seconds from now"


def client_of(found, name, **rules):
    """Our side of an issuer."""
    settings = OidcSettings(
        name=name, display=name, issuer=found.url, client_id="protem", claims=ClaimRules(**rules)
    )
    return OidcProvider(settings, clock=SystemClock(), randomness=SystemRandomness())


@pytest.fixture
def staff():
    """Start an issuer."""
    with issuer() as found:
        yield found


@pytest.fixture
def evil():
    """Start another, which is in the settings as well."""
    with issuer() as found:
        yield found


@pytest.fixture
async def stage(staff, evil):
    """Run a control plane that knows both."""
    providers = [
        (client_of(staff, "staff"), SignInRules()),
        (client_of(evil, "evil"), SignInRules()),
        (client_of(staff, "strict", allowed_domains=frozenset({"acme.test"})), SignInRules()),
    ]
    async with running(providers) as found:
        install(found.app, public_url=OURS)
        yield found


async def begin(client, name="staff"):
    """Leave for a provider; return what it is asked."""
    left = await client.get(f"/v1/sign-in/oidc/{name}/start")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(left.headers["location"]).query)
    return {key: values[0] for key, values in query.items()}


async def come_back(client, asked, name="staff", **more):
    """Bring an answer."""
    answer = {"code": "any", "state": asked["state"]} | more
    return await client.get(f"/v1/sign-in/oidc/{name}/callback", params=answer)


async def come_in(stage, found, make, name="staff"):
    """Sign in with the ID token that ``make`` returns for a nonce; return our answer."""
    async with stage.client() as client:
        asked = await begin(client, name)
        found.id_token = make(asked["nonce"])
        return await come_back(client, asked, name)


async def test_an_honest_token_comes_in(stage, staff):
    """What the attacks below differ from."""
    answer = await come_in(
        stage, staff, lambda nonce: staff.token(sub="dana", aud="protem", nonce=nonce)
    )
    assert answer.status_code == 303, answer.text


def half_of(method, text):
    """The left half of a hash, as at_hash has it."""
    found = method(text.encode()).digest()
    return urlsafe_b64encode(found[: len(found) // 2]).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"at_hash": half_of(hashlib.sha256, "at")}, 303),
        ({"at_hash": half_of(hashlib.sha512, "at")}, 303),
        ({"at_hash": half_of(hashlib.sha256, "another")}, 401),
        ({"at_hash": 7}, 401),
        ({"azp": "protem"}, 303),
        ({"aud": ["protem", "x"], "azp": "protem"}, 303),
        ({"aud": ["protem", "x"]}, 401),
        ({"azp": "another"}, 401),
        ({"aud": "another"}, 401),
        ({"aud": None}, 401),
        ({"exp": (IN, -120)}, 401),
        ({"exp": None}, 401),
        ({"iat": (IN, 600), "exp": (IN, 900)}, 401),
        ({"nbf": (IN, 600)}, 401),
        ({"nonce": "another"}, 401),
        ({"nonce": None}, 401),
        ({"iss": "https://accounts.google.com"}, 401),
        ({"sub": None}, 401),
        ({"sub": ["dana"]}, 401),
        ({"sub": "x" * 256}, 401),
        ({"sub": "dana\n"}, 401),
        ({"sub": "d\u00e4na"}, 401),
    ],
    ids=range(22),
)
async def test_an_id_token_must_say_the_right_thing(stage, staff, changes, status):
    """Signed by the right key, and not for us, not now, or not of this sign-in."""
    now = int(time.time())
    dated = {
        name: now + value[1] if isinstance(value, tuple) else value
        for name, value in changes.items()
    }

    def make(nonce):
        return staff.token(**({"sub": "dana", "aud": "protem", "nonce": nonce} | dated))

    answer = await come_in(stage, staff, make)
    assert answer.status_code == status, answer.text


async def test_forged_id_tokens_prove_nobody(stage, staff, evil):
    """Unsigned, signed with the public key as a secret, or by the other provider's key."""

    def claims(nonce):
        return staff.claims(sub="dana", aud="protem", nonce=nonce)

    def honest(nonce):
        return staff.token(sub="dana", aud="protem", nonce=nonce)

    def of_the_other(nonce):
        return staff.token(key=evil.key, sub="dana", aud="protem", nonce=nonce)

    for make in (
        lambda nonce: unsigned(claims(nonce)),
        lambda _nonce: signed_with_the_public_key(staff),
        of_the_other,
        lambda nonce: with_header(honest(nonce), alg="HS256"),
        lambda _nonce: "",
        lambda _nonce: "a.b.c",
    ):
        answer = await come_in(stage, staff, make)
        assert answer.status_code == 401, answer.text


async def test_one_provider_cannot_speak_for_another(stage, staff, evil):
    """Its token with the other's name, and its answer at the other's door, prove nobody."""
    stolen = await come_in(
        stage,
        evil,
        lambda nonce: evil.token(iss=staff.url, sub="dana", aud="protem", nonce=nonce),
        name="evil",
    )
    assert stolen.status_code == 401
    async with stage.client() as client:
        asked = await begin(client, "evil")
        staff.id_token = staff.token(sub="dana", aud="protem", nonce=asked["nonce"])
        assert (await come_back(client, asked, "staff")).status_code == 401
        asked = await begin(client, "staff")
        staff.id_token = staff.token(sub="dana", aud="protem", nonce=asked["nonce"])
        mixed = await come_back(client, asked, "staff", iss=evil.url)
        assert mixed.status_code == 401
    accounts = await stage.store.read(lambda view: view.accounts.list())
    assert "dana" not in {account.principal.id.subject for account in accounts}


async def test_the_same_subject_of_two_providers_is_two_people(stage, staff, evil):
    """Identity is issuer and subject, never a name."""
    for found, name in ((staff, "staff"), (evil, "evil")):
        await come_in(
            stage,
            found,
            lambda nonce, found=found: found.token(sub="dana", aud="protem", nonce=nonce),
            name=name,
        )
    for found in (staff, evil):
        who = PrincipalId(issuer=found.url, subject="dana")
        assert await stage.store.read(lambda view, who=who: view.accounts.get(who))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\u202etxt.exe", "\x1b[2J", "\0", "x" * 5_000, 7, ["a"]]
)
async def test_hostile_names_are_shown_harmless(stage, staff, name):
    """A page that greets somebody holds no tag, no escape and no turned text of theirs."""

    def make(nonce):
        return staff.token(sub="dana", aud="protem", nonce=nonce, name=name, groups=[name, "ok"])

    async with stage.client() as client:
        asked = await begin(client)
        staff.id_token = make(asked["nonce"])
        assert (await come_back(client, asked)).status_code == 303
        page = (await client.get("/inbox")).text
    assert "<script>alert" not in page
    assert not {"\u202e", "\x1b", "\0"} & set(page)
    who = PrincipalId(issuer=staff.url, subject="dana")
    account = await stage.store.read(lambda view: view.accounts.get(who))
    assert account.principal.display.isprintable()
    assert len(account.principal.display) <= 255
    assert account.principal.groups == {"ok"}


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"hd": "acme.test"}, 303),
        ({"hd": "ACME.test"}, 303),
        ({"email": "dana@acme.test", "email_verified": True}, 303),
        ({"email": "dana@acme.test", "email_verified": False}, 401),
        ({"email": "dana@acme.test", "email_verified": "true"}, 401),
        ({"email": "dana@acme.test"}, 401),
        ({"email": "dana@evil.test@acme.test.evil", "email_verified": True}, 401),
        ({"hd": "evil.test", "email": "dana@acme.test", "email_verified": True}, 401),
        ({"hd": ["acme.test"]}, 401),
        ({}, 401),
    ],
    ids=str,
)
async def test_a_domain_counts_only_as_the_providers_word(stage, staff, claims, status):
    """An address that nobody verified opens no door."""

    def make(nonce):
        return staff.token(sub="dana", aud="protem", nonce=nonce, **claims)

    answer = await come_in(stage, staff, make, name="strict")
    assert answer.status_code == status, answer.text


async def test_groups_left_out_for_their_number_are_not_taken_for_none(stage, staff):
    """Entra's overage is an error that says what to do, not an account without groups."""

    def make(nonce):
        names = {"groups": "src1"}
        return staff.token(sub="dana", aud="protem", nonce=nonce, _claim_names=names)

    answer = await come_in(stage, staff, make)
    assert answer.status_code == 401
    assert "too many" in answer.text


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/token", (500, b"")),
        ("/token", (302, b"")),
        ("/token", (200, b"<html>")),
        ("/token", (200, b"x" * 2_000_000)),
        ("/keys", (200, b"<html>")),
        ("/keys", (200, b'{"keys": "' + b"x" * 2_000_000 + b'"}')),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_provider_that_fails_in_the_middle_is_named(stage, staff, path, answer):
    """Nobody is signed in, and the page says which provider it was."""
    async with stage.client() as client:
        asked = await begin(client)
        staff.id_token = staff.token(sub="dana", aud="protem", nonce=asked["nonce"])
        staff.answers[path] = answer
        failed = await come_back(client, asked)
        assert failed.status_code == 503, failed.text
        assert "staff" in failed.text
        assert (await client.get("/inbox")).status_code == 303


async def test_an_answer_that_drips_is_given_up(stage, staff, monkeypatch):
    """The whole answer has its time, not each byte of it."""
    monkeypatch.setattr(fetching, "_WITHIN_SECONDS", 0.5)
    async with stage.client() as client:
        asked = await begin(client)
        staff.id_token = staff.token(sub="dana", aud="protem", nonce=asked["nonce"])
        staff.drips = 0.05
        began = time.monotonic()
        failed = await come_back(client, asked)
    assert failed.status_code == 503
    assert time.monotonic() - began < 5


async def test_a_device_code_is_not_enough_to_enrol_a_key(stage):
    """Whoever talked somebody into confirming a code cannot sign approvals as them."""
    around = stage.plane.around
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    reviewer = Principal(id=local("reviewer"), display="")
    await answer_device(around, reviewer, Secret("none"), codes.user_code, DeviceVerdict.APPROVED)
    lent = await redeem_device_code(around, codes.device_code)
    stage.tokens["lent"] = lent.token.reveal()
    for path in ("ssh/challenge", "webauthn/options"):
        refused = await stage.call("lent", "POST", f"/v1/approver-keys/{path}")
        assert refused.status_code == 403, refused.text
        assert "device code" in refused.json()["detail"]
        own = await stage.call("reviewer", "POST", f"/v1/approver-keys/{path}")
        assert "device code" not in own.text
    assert (await stage.call("lent", "GET", "/v1/approver-keys")).status_code == 200
