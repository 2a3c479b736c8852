"""Workloads sign in with their own tokens, and nothing else passes for one."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from urllib.parse import quote

import pytest
from tests.integration.control_plane_in_memory import running
from tests.integration.signed_tokens import (
    AUDIENCE,
    issuer,
    keys_of_every_sort,
    signed_with_the_public_key,
    unsigned,
    with_header,
)

from protem.domain.errors import IdentityProviderError, UnauthenticatedError
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.identity.local import LocalIdentity
from protem.identity.oidc.workloads import OidcWorkloads, WorkloadRule
from protem.ports.store import Account
from protem.services.manage_accounts import disable_account
from protem.system.clock import SystemClock
from protem.testing.manual_clock import ManualClock

SUBJECT = "deploy:repo:acme/shop:ref:refs/heads/main"


def rules_of(url):
    """The main branch deploys; every branch of the repository is plain CI."""
    deploy = WorkloadRule(
        name="deploy",
        issuer=url,
        audience=AUDIENCE,
        conditions={"repository": "acme/shop", "sub": "repo:acme/shop:ref:refs/heads/main"},
        groups=frozenset({GroupName("deployers")}),
        session=timedelta(minutes=20),
    )
    plain = replace(
        deploy,
        name="plain",
        conditions={"repository": "acme/*"},
        groups=frozenset({GroupName("ci")}),
        reusable=True,
    )
    return [deploy, plain]


@pytest.fixture
def ci():
    """Start an issuer of job tokens."""
    with issuer() as found:
        yield found


@pytest.fixture
async def stage(ci):
    """Run a control plane that trusts it."""
    prover = OidcWorkloads(rules_of(ci.url), SystemClock())
    identity = partial(LocalIdentity, issuers=frozenset({ci.url}))
    async with running(workloads=prover, identity=identity) as found:
        yield found
    await prover.close()


async def sign_in(stage, token):
    """Show a token."""
    return await stage.call(None, "POST", "/v1/sign-in/workload", json={"token": token})


async def test_a_job_gets_a_short_session_and_the_groups_of_its_table(stage, ci):
    """The first table that fits decides; the session is as long as it says."""
    answer = await sign_in(stage, ci.token())
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["principal"]["id"] == f"{ci.url}|{SUBJECT}"
    assert (found["principal"]["kind"], found["principal"]["groups"]) == ("workload", ["deployers"])
    stage.tokens["job"] = found["token"]
    sessions = (await stage.call("job", "GET", "/v1/sessions")).json()["items"]
    assert [(one["method"], one["current"]) for one in sessions] == [("workload", True)]
    assert (await stage.call("job", "GET", "/v1/me")).json() == found["principal"]
    elsewhere = (await sign_in(stage, ci.token(sub="repo:acme/shop:pull_request"))).json()
    assert elsewhere["principal"]["id"] == f"{ci.url}|plain:repo:acme/shop:pull_request"
    assert elsewhere["principal"]["groups"] == ["ci"]


async def test_a_token_signs_in_once(stage, ci):
    """Shown again it is refused, also when it was shown twice at once, unless its table allows."""
    token = ci.token()
    assert (await sign_in(stage, token)).status_code == 200
    again = await sign_in(stage, token)
    assert again.status_code == 401
    assert "used before" in again.json()["detail"]
    reusable = ci.token(sub="another")
    assert [(await sign_in(stage, reusable)).status_code for _ in range(2)] == [200, 200]


async def test_without_an_id_the_signed_text_is_what_is_spent(stage, ci):
    """A token without jti counts once, too."""
    token = ci.token(jti=None)
    assert [(await sign_in(stage, token)).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://another.test"},
        {"aud": [AUDIENCE, "https://another.test"]},
        {"aud": []},
        {"aud": None},
        {"aud": 7},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": 10**30},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 300},
        {"nonce": "n"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        {"repository": "evil/shop"},
        {"repository": "xacme/shop", "sub": "x"},
        {"repository": None},
        {"repository": ["evil/shop"]},
        {"repository": {"acme/": "shop"}},
        {"iss": "https://token.actions.githubusercontent.com"},
        {"iss": None},
        {"iss": 7},
    ],
    ids=str,
)
async def test_a_token_that_says_anything_else_is_refused(stage, ci, changes):
    """Signed by the right key, and still not for us, not now, or not of such a workload."""
    answer = await sign_in(stage, ci.token(**changes))
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "unauthenticated"


async def test_times_are_judged_with_a_minutes_leeway(stage, ci):
    """A clock that is a little off does no harm; issued in the future or good for days does."""
    now = int(time.time())
    for changes, status in (
        ({"exp": now - 30}, 200),
        ({"iat": now + 30}, 200),
        ({"nbf": now + 30}, 200),
        ({"exp": now - 90}, 401),
        ({"iat": now + 90, "exp": now + 600}, 401),
        ({"nbf": now + 90}, 401),
        ({"exp": now + 2 * 86_400}, 401),
    ):
        assert (await sign_in(stage, ci.token(**changes))).status_code == status, changes


async def test_forged_signatures_are_refused(stage, ci):
    """Unsigned, signed with the public key as a secret, by another key, or changed afterwards."""
    with issuer() as another:
        another.published = [another.key]
        honest = ci.token()
        forged = [
            unsigned(ci.claims()),
            signed_with_the_public_key(ci),
            ci.token(key=another.key),
            with_header(honest, alg="none"),
            with_header(honest, alg="HS256"),
            with_header(honest, jwk=another.key.as_dict(private=False)),
            with_header(honest, jku=f"{another.url}/keys"),
            with_header(honest, crit=["exp"]),
            honest.rsplit(".", 1)[0] + "." + ci.token().rsplit(".", 1)[1],
            honest + "A",
            honest + ".e30",
        ]
        for token in forged:
            answer = await sign_in(stage, token)
            assert answer.status_code == 401, token
        assert another.asked == []  # no token makes us ask where it says


async def test_an_issuer_that_is_trusted_for_nothing_is_not_asked(stage, ci):
    """Another issuer's honest token is refused, and nothing is fetched for it."""
    with issuer() as another:
        assert (await sign_in(stage, another.token())).status_code == 401
        assert another.asked == []
        stolen_name = another.token(iss=ci.url)
        assert (await sign_in(stage, stolen_name)).status_code == 401
        assert another.asked == []


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_issuers_may_sign_in_any_sound_way(stage, ci, algorithm):
    """RSA, elliptic curves and Ed25519; keys that we do not know are passed over."""
    keys = keys_of_every_sort()
    ci.published = list(keys.values())
    answer = await sign_in(stage, ci.token(key=keys[algorithm], algorithm=algorithm))
    assert answer.status_code == 200, answer.text


async def test_a_key_of_one_algorithm_verifies_no_other(stage, ci):
    """An RSA key says nothing about a token that claims an elliptic curve."""
    token = with_header(ci.token(), alg="ES256")
    assert (await sign_in(stage, token)).status_code == 401


async def test_rotated_keys_are_found_and_forged_names_of_keys_do_not_flood_the_issuer(ci):
    """An unknown key is looked for at most twice a minute; the one before stops counting."""
    clock = ManualClock(SystemClock().now())
    prover = OidcWorkloads(rules_of(ci.url), clock)
    await prover.prove(Secret(ci.token()))
    old, new = ci.key, keys_of_every_sort()["RS256"]
    ci.published = [new]
    for number in range(20):
        with pytest.raises(UnauthenticatedError):
            await prover.prove(Secret(with_header(ci.token(), kid=f"no-{number}")))
    assert ci.asked.count("/keys") <= 2
    clock.advance(timedelta(seconds=31))
    await prover.prove(Secret(ci.token(key=new)))
    with pytest.raises(UnauthenticatedError):
        await prover.prove(Secret(ci.token(key=old)))
    await prover.close()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", (200, b"<html>we are down</html>")),
        ("/keys", (200, b"[]")),
        ("/keys", (200, b'{"keys": []}')),
        ("/keys", (200, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}]}')),
        ("/keys", (200, b'{"keys": "' + b"x" * 2_000_000 + b'"}')),
        ("/keys", (200, b"[" * 200_000)),
        ("/keys", (302, b"")),
        ("/keys", (500, b"")),
        ("/.well-known/openid-configuration", (200, b"{}")),
        ("/.well-known/openid-configuration", (200, b'{"issuer": 7}')),
        ("/.well-known/openid-configuration", (404, b"")),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_an_issuer_that_answers_nonsense_is_named_and_nobody_comes_in(
    stage, ci, path, answer
):
    """No page, no redirect, no key that is a secret, nothing without bound: 503, and why."""
    ci.answers[path] = answer
    refused = await sign_in(stage, ci.token())
    assert refused.status_code == 503, refused.text
    assert refused.json()["code"] == "identity_provider_unavailable"
    assert "deploy" in refused.json()["detail"]


@pytest.mark.parametrize("named", ["{}/", "{}/x", "https://elsewhere", "HTTP://{}"])
async def test_an_issuer_that_calls_itself_otherwise_is_refused(stage, ci, named):
    """Names are compared character for character: a slash more is another issuer."""
    ci.claims_issuer = named.format(ci.url)
    assert (await sign_in(stage, ci.token())).status_code == 503


async def test_keys_at_hand_serve_while_the_issuer_is_away(ci):
    """For a day; then nothing can be said, and nobody comes in."""
    clock = ManualClock(SystemClock().now())
    prover = OidcWorkloads(rules_of(ci.url), clock)
    await prover.prove(Secret(ci.token()))
    ci.answers["/keys"] = ci.answers["/.well-known/openid-configuration"] = (500, b"")

    def fresh():
        at = int(clock.now().timestamp())
        return Secret(ci.token(iat=at, exp=at + 300))

    clock.advance(timedelta(hours=23))
    await prover.prove(fresh())
    clock.advance(timedelta(hours=2))
    with pytest.raises(IdentityProviderError):
        await prover.prove(fresh())
    await prover.close()


async def test_a_disabled_workload_does_not_come_in(stage, ci):
    """Disabling ends its session, and a new token opens none."""
    stage.tokens["job"] = (await sign_in(stage, ci.token())).json()["token"]
    await disable_account(stage.plane.around, "test", PrincipalId(issuer=ci.url, subject=SUBJECT))
    assert (await stage.call("job", "GET", "/v1/me")).status_code == 401
    assert (await sign_in(stage, ci.token())).status_code == 401


async def test_an_administrator_disables_an_account_of_any_issuer(stage, ci):
    """By issuer and subject, in one path, whatever is in it."""
    stage.tokens["job"] = (await sign_in(stage, ci.token())).json()["token"]
    named = quote(f"{ci.url}|{SUBJECT}", safe="")
    done = await stage.call("admin", "POST", f"/v1/accounts/{named}/disable")
    assert done.status_code == 200, done.text
    assert done.json()["disabled"] is True
    assert (await stage.call("job", "GET", "/v1/me")).status_code == 401


async def test_an_account_of_a_person_never_becomes_a_workloads(stage, ci):
    """Whatever the issuer says, a person stays a person."""
    person = Principal(id=PrincipalId(issuer=ci.url, subject=SUBJECT), display="Ada")
    await stage.store.write(lambda tx: tx.accounts.put(Account(principal=person)))
    assert (await sign_in(stage, ci.token())).status_code == 401
    kept = await stage.store.read(lambda view: view.accounts.get(person.id))
    assert kept.principal == person


async def test_a_refused_token_is_not_spent(stage, ci):
    """What opened no session can be shown again when the account may come in."""
    who = PrincipalId(issuer=ci.url, subject=SUBJECT)
    await sign_in(stage, ci.token())
    await disable_account(stage.plane.around, "test", who)
    token = ci.token()
    assert (await sign_in(stage, token)).status_code == 401
    account = await stage.store.read(lambda view: view.accounts.get(who))
    await stage.store.write(lambda tx: tx.accounts.put(replace(account, disabled=False)))
    assert (await sign_in(stage, token)).status_code == 200


@pytest.mark.parametrize(
    "subject", ["a branch with spaces", "zweig-\u00e4", "\u202eevil", "a|b", "100%", "\x1b[2J"]
)
async def test_subjects_of_any_text_become_names_without_tricks(stage, ci, subject):
    """What is no printable ASCII is quoted, so that two subjects are never one name."""
    answer = await sign_in(stage, ci.token(sub=subject))
    assert answer.status_code == 200, answer.text
    named = answer.json()["principal"]["subject"]
    assert named.isascii()
    assert named.isprintable()
    assert " " not in named
