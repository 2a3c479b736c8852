"""Who may call what: every route, by everyone, and what strangers can learn (nothing)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.control_plane_in_memory import (
    HALF,
    PEOPLE,
    READ,
    WRITE,
    ask_body,
    local,
    running,
)

from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import RetryLaterError
from protem.domain.identifiers import GrantId
from protem.domain.instants import format_instant
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

EVERYONE = [None, "stranger", "requester", "reviewer", "auditor", "admin"]
SIGNED_IN = dict.fromkeys(PEOPLE, 200) | {None: 401}
ADMINISTRATOR = dict.fromkeys(PEOPLE, 403) | {None: 401, "admin": 200}
AUDITOR = dict.fromkeys(PEOPLE, 403) | {None: 401, "auditor": 200}
SEES = {
    None: 401, "stranger": 404, "requester": 200, "reviewer": 200, "auditor": 200, "admin": 404,
}  # fmt: skip
OWNS = dict.fromkeys(PEOPLE, 404) | {None: 401, "requester": 200}
ASKS = dict.fromkeys(PEOPLE, 403) | {None: 401, "requester": 201}
REVIEW = {"digest": "sha256:" + "0" * 64, "verdict": "approve"}
OFFER = {"digest": REVIEW["digest"], "duration_seconds": 60}
DELEGATION = {"to": "auditor", "until": format_instant(SystemClock().now() + timedelta(days=1))}
OPEN = dict.fromkeys(EVERYONE, 200)
EMERGENCY = ask_body(confirm_target="orders-db", public_half=HALF, reason="it is down")
VERDICT = {"verdict": "justified", "comment": "it was"}


def with_status(expected, status):
    """Return the same expectations with another status for success."""
    return {who: status if code == 200 else code for who, code in expected.items()}


MATRIX = [
    ("GET", "/healthz", None, OPEN),
    ("GET", "/readyz", None, OPEN),
    ("GET", "/metrics", None, OPEN),
    ("GET", "/v1/openapi.json", None, OPEN),
    ("POST", "/v1/sign-in", {"token": "wrong"}, dict.fromkeys(EVERYONE, 401)),
    ("POST", "/v1/sign-out", None, with_status(SIGNED_IN, 204)),
    ("GET", "/v1/sign-in/ways", None, OPEN),
    ("POST", "/v1/sign-in/device", {}, with_status(OPEN, 201)),
    ("POST", "/v1/sign-in/device/redeem", {"device_code": "x"}, dict.fromkeys(EVERYONE, 401)),
    ("POST", "/v1/sign-in/workload", {"token": "x"}, dict.fromkeys(EVERYONE, 401)),
    ("GET", "/v1/sessions", None, SIGNED_IN),
    ("POST", "/v1/sessions/end", None, with_status(SIGNED_IN, 204)),
    ("POST", "/v1/sessions/none/end", None, with_status(SIGNED_IN, 404)),
    ("GET", "/v1/me", None, SIGNED_IN),
    ("GET", "/v1/targets", None, SIGNED_IN),
    ("GET", "/v1/targets/orders-db", None, SIGNED_IN),
    ("GET", "/v1/targets/nowhere", None, with_status(SIGNED_IN, 404)),
    ("POST", "/v1/plans", ask_body(), SIGNED_IN),
    ("POST", "/v1/requests", ask_body(), ASKS),
    ("GET", "/v1/requests", None, SIGNED_IN),
    ("GET", "/v1/grants", None, SIGNED_IN),
    ("GET", "/v1/requests/{id}", None, SEES),
    ("GET", "/v1/grants/{id}", None, SEES),
    ("PUT", "/v1/requests/{id}", ask_body(WRITE), OWNS),
    ("POST", "/v1/requests/{id}/cancel", None, OWNS),
    ("POST", "/v1/requests/{id}/reviews", REVIEW, with_status(SEES, 409)),
    ("POST", "/v1/requests/{id}/offers", OFFER, with_status(SEES, 409)),
    ("POST", "/v1/requests/{id}/accept", {"digest": REVIEW["digest"]}, with_status(OWNS, 409)),
    ("POST", "/v1/requests/{id}/comments", {"text": "why?"}, SEES),
    ("GET", "/v1/delegations", None, SIGNED_IN),
    ("POST", "/v1/delegations", DELEGATION, with_status(SIGNED_IN, 201) | {"auditor": 422}),
    ("POST", "/v1/delegations/{id}/end", None, with_status(SIGNED_IN, 404)),
    ("GET", "/v1/oncall", None, SIGNED_IN),
    ("POST", "/v1/grants/{id}/activate", {"public_half": HALF}, with_status(OWNS, 409)),
    ("POST", "/v1/grants/{id}/extend", {"by_seconds": 60}, with_status(OWNS, 409)),
    ("POST", "/v1/grants/{id}/end", None, with_status(SEES, 409) | {"auditor": 403}),
    ("GET", "/v1/break-glass", None, SIGNED_IN),
    ("POST", "/v1/break-glass", EMERGENCY, ASKS),
    ("GET", "/v1/glass-reviews", None, SIGNED_IN),
    ("GET", "/v1/glass-reviews/{id}", None, with_status(SEES, 404)),
    ("POST", "/v1/glass-reviews/{id}", VERDICT, with_status(SEES, 404)),
    ("GET", "/v1/audit/entries", None, AUDITOR),
    ("GET", "/v1/audit/checkpoint", None, with_status(SIGNED_IN, 404)),
    ("GET", "/v1/audit/key", None, SIGNED_IN),
    ("GET", "/v1/audit/proof?index=0", None, with_status(SIGNED_IN, 404)),
    ("GET", "/v1/audit/search", None, AUDITOR),
    ("GET", "/v1/audit/entries/0", None, AUDITOR),
    ("GET", "/v1/targets/orders-db/access", None, AUDITOR),
    ("GET", "/v1/targets/nowhere/access", None, with_status(SIGNED_IN, 404)),
    ("GET", "/v1/policy", None, ADMINISTRATOR | {"auditor": 200}),
    ("POST", "/v1/policy/replay", {"files": {"a.cedar": ""}}, ADMINISTRATOR),
    ("GET", "/v1/doctor", None, ADMINISTRATOR),
    ("GET", "/v1/accounts", None, ADMINISTRATOR),
    ("POST", "/v1/accounts", {"subject": "new"}, with_status(ADMINISTRATOR, 201)),
    ("POST", "/v1/accounts/stranger/disable", None, ADMINISTRATOR),
    ("POST", "/v1/accounts/stranger/tokens", None, with_status(ADMINISTRATOR, 201)),
    ("GET", "/v1/requests/{id}/challenge", None, SEES),
    ("GET", "/v1/approver-keys", None, SIGNED_IN),
    ("POST", "/v1/approver-keys/ssh/challenge", None, SIGNED_IN),
    ("POST", "/v1/approver-keys/ssh", None, with_status(SIGNED_IN, 422)),
    ("POST", "/v1/approver-keys/webauthn/options", None, SIGNED_IN),
    ("POST", "/v1/approver-keys/webauthn", None, with_status(SIGNED_IN, 422)),
    ("DELETE", "/v1/approver-keys/SHA256:none", None, with_status(SIGNED_IN, 404)),
]
STREAM = ("GET", "/v1/events")


@pytest.fixture
async def stage():
    """A running control plane."""
    async with running() as made:
        yield made


@pytest.mark.parametrize(("method", "path", "body", "expected"), MATRIX, ids=lambda v: str(v)[:40])
@pytest.mark.parametrize("who", EVERYONE, ids=str)
async def test_each_route_answers_each_sort_of_caller_as_written(
    stage, who, method, path, body, expected
):
    """The status that the table says, and a problem document with every refusal."""
    grant = (await stage.ask(WRITE)).json()
    answer = await stage.call(who, method, path.replace("{id}", grant["id"]), json=body)
    assert answer.status_code == expected[who], answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"]
        assert problem["request_id"] == answer.headers["x-request-id"]


async def test_the_table_names_every_route(stage):
    """A route that is added without a line above fails here."""
    document = (await stage.call(None, "GET", "/v1/openapi.json")).json()
    declared = {
        (method.upper(), path) for path, calls in document["paths"].items() for method in calls
    }
    named = {(method, path.partition("?")[0]) for method, path, *_ in MATRIX} | {STREAM}
    patterns = {
        (method, path.replace("orders-db", "{name}").replace("{id}", "{grant_id}"))
        for method, path in named
    }
    patterns = {(m, p.replace("/stranger/", "/{subject}/")) for m, p in patterns}
    patterns = {(m, p.replace("ns/{grant_id}/e", "ns/{delegation_id}/e")) for m, p in patterns}
    patterns = {(m, p.replace("/none/", "/{session_id}/")) for m, p in patterns}
    patterns = {(m, p.replace("/entries/0", "/entries/{index}")) for m, p in patterns}
    patterns = {(m, p.replace("SHA256:none", "{key_id}")) for m, p in patterns}
    assert declared <= patterns


async def test_a_stranger_cannot_tell_a_grant_from_none(stage):
    """For a real and an imagined id, every route gives a stranger the same words."""
    real = (await stage.ask(READ, public_half=HALF, wait=5)).json()["id"]
    imagined = real[:-4] + "0000"
    for method, path, body, _ in MATRIX:
        if "{id}" not in path:
            continue
        answers = [
            await stage.call("stranger", method, path.replace("{id}", which), json=body)
            for which in (real, imagined)
        ]
        texts = [{k: v for k, v in a.json().items() if k != "request_id"} for a in answers]
        assert str(texts[0]).replace(real, "ID") == str(texts[1]).replace(imagined, "ID"), path
    assert (await stage.call("stranger", "GET", "/v1/requests")).json()["items"] == []


async def test_a_disabled_account_is_out_at_once_and_its_grants_end(stage):
    """Its token proves nobody, its waiting request is cancelled, its live grant ends."""
    live = (await stage.ask(public_half=HALF, wait=5)).json()
    pending = (await stage.ask(WRITE)).json()
    agents = (await stage.ask(public_half=HALF, who="requester-agent", wait=5)).json()
    assert (await stage.call("requester", "GET", "/v1/me")).status_code == 200
    done = await stage.call("admin", "POST", "/v1/accounts/requester/disable")
    assert done.json()["disabled"] is True
    for who in ("requester", "requester-agent"):
        assert (await stage.call(who, "GET", "/v1/me")).status_code == 401
    for grant in (live, agents):
        path = f"/v1/grants/{grant['id']}"
        seen = (await stage.call("auditor", "GET", path)).json()
        while seen["state"] != "ended":
            query = f"{path}?wait=5&after_version={seen['version']}"
            seen = (await stage.call("auditor", "GET", query)).json()
        assert seen["end_cause"] == "principal_disabled"
    over = (await stage.call("auditor", "GET", f"/v1/grants/{pending['id']}")).json()
    assert over["state"] == "cancelled"
    assert not stage.connector.target.grants


async def test_one_time_tokens_work_once_and_sessions_until_signed_out(stage):
    """Exchange, use, no second exchange, no use as a session; sign-out ends it at once."""
    given = (await stage.call("admin", "POST", "/v1/accounts/reviewer/tokens")).json()["token"]
    stage.tokens["raw"] = given
    assert (await stage.call("raw", "GET", "/v1/me")).status_code == 401
    session = await stage.call(None, "POST", "/v1/sign-in", json={"token": given})
    assert session.json()["principal"]["id"] == "local|reviewer"
    again = await stage.call(None, "POST", "/v1/sign-in", json={"token": given})
    assert again.status_code == 401
    stage.tokens["session"] = session.json()["token"]
    assert (await stage.call("session", "GET", "/v1/me")).status_code == 200
    assert (await stage.call("session", "POST", "/v1/sign-out")).status_code == 204
    assert (await stage.call("session", "GET", "/v1/me")).status_code == 401


async def test_the_doctor_says_nothing_of_a_healthy_plane_and_names_an_orphan(stage):
    """Findings come with a severity and a next step."""
    healthy = (await stage.call("admin", "GET", "/v1/doctor")).json()["findings"]
    assert healthy == []
    stage.connector.fail_next(RetryLaterError("gone fishing", delay=timedelta(seconds=9)))
    found = (await stage.call("admin", "GET", "/v1/doctor")).json()["findings"]
    assert found[0]["severity"] == "critical"
    assert "gone fishing" in found[0]["message"]
    assert found[0]["next_step"]


async def test_the_doctor_sees_a_privilege_that_nothing_explains_and_leaves_it(stage):
    """An orphan is critical while it can be used; looking changes nothing at the target."""
    grant = (await stage.ask(public_half=HALF, wait=5)).json()
    held = next(iter(stage.connector.target.grants.values()))
    other = GrantId(grant["id"][:-4] + "0000")
    stage.connector.target.grants[other] = replace(held, grant_id=other)
    found = (await stage.call("admin", "GET", "/v1/doctor")).json()["findings"]
    assert [(each["severity"], each["subject"]) for each in found] == [
        ("critical", f"orders-db/{other.name_at_target}")
    ]
    assert other in stage.connector.target.grants


async def test_a_one_time_token_past_its_time_is_void(stage):
    """Expired tokens prove nobody, used or not."""
    token = SystemRandomness().token()

    def work(transaction):
        transaction.accounts.add_token(
            token_hash=fingerprint(token),
            owner=local("reviewer"),
            expires_at=stage.plane.around.clock.now() - timedelta(seconds=1),
            single_use=True,
        )

    await stage.store.write(work)
    answer = await stage.call(None, "POST", "/v1/sign-in", json={"token": token.reveal()})
    assert answer.status_code == 401
