"""Requests and grants over HTTP, on the fakes."""

import asyncio

import pytest
from tests.integration.control_plane_in_memory import (
    FORBIDDEN,
    HALF,
    READ,
    WRITE,
    ask_body,
    build,
    running,
)


@pytest.fixture
async def stage():
    """A running control plane."""
    async with running() as made:
        yield made


async def test_an_allowed_request_with_a_public_half_is_active_in_one_call(stage):
    """POST with wait answers when the privilege is there, with what the tool needs."""
    answer = await stage.ask(public_half=HALF, wait=5)
    assert answer.status_code == 201, answer.text
    grant = answer.json()
    assert grant["state"] == "active"
    assert grant["login"] is not None
    assert grant["decision"]["outcome"] == "allowed"
    assert grant["digest"].startswith("sha256:")
    assert len(stage.connector.target.grants) == 1


async def test_the_whole_way_with_a_second_person(stage):
    """Pending, reviewed by digest, activated, extended, ended; the target is clean after."""
    grant = (await stage.ask(WRITE)).json()
    path = f"/v1/requests/{grant['id']}"
    waiting = (await stage.call("reviewer", "GET", "/v1/requests?to_review=true")).json()
    assert [item["id"] for item in waiting["items"]] == [grant["id"]]
    review = {"digest": grant["digest"], "verdict": "approve", "comment": "ok"}
    reviewed = await stage.call("reviewer", "POST", f"{path}/reviews", json=review)
    assert reviewed.json()["state"] == "approved", reviewed.text
    assert reviewed.json()["approvals"][0]["reviewer"] == "local|reviewer"
    grant_path = f"/v1/grants/{grant['id']}"
    active = await stage.call(
        "requester", "POST", f"{grant_path}/activate?wait=5", json={"public_half": HALF}
    )
    assert active.json()["state"] == "active", active.text
    longer = await stage.call("requester", "POST", f"{grant_path}/extend", json={"by_seconds": 60})
    assert longer.json()["duration_seconds"] == 660, longer.text
    ended = await stage.call("requester", "POST", f"{grant_path}/end?wait=5")
    assert ended.json()["state"] == "ended"
    assert ended.json()["end_cause"] == "given_back"
    assert not stage.connector.target.grants


async def test_a_denial_carries_the_decision_and_repeats_word_for_word(stage):
    """403 with every finding; the same key gives the same refusal and makes no second grant."""
    first = await stage.ask(FORBIDDEN, key="k")
    again = await stage.ask(FORBIDDEN, key="k")
    assert first.status_code == again.status_code == 403
    assert first.json()["code"] == "policy_denied"
    assert first.json()["decision"]["findings"][0]["rule"] == "no-mail"
    drop = {"request_id"}
    assert {k: v for k, v in first.json().items() if k not in drop} == {
        k: v for k, v in again.json().items() if k not in drop
    }
    mine = (await stage.call("requester", "GET", "/v1/requests?mine=true")).json()
    assert len(mine["items"]) == 1


async def test_the_same_key_acts_once_in_turn_and_at_once(stage):
    """Twelve calls with one key make one grant, and all answers show it."""
    first = await stage.ask(key="once", public_half=HALF, wait=5)
    rest = await asyncio.gather(*(stage.ask(key="two", public_half=HALF) for _ in range(10)))
    again = await stage.ask(key="once", public_half=HALF, wait=5)
    assert {answer.status_code for answer in (first, again, *rest)} == {201}
    assert first.json() == again.json()
    assert len({answer.json()["id"] for answer in rest}) == 1
    mine = (await stage.call("requester", "GET", "/v1/requests?mine=true")).json()
    assert len(mine["items"]) == 2


async def test_a_key_survives_a_restart(stage):
    """A new control plane over the same store knows the key."""
    first = await stage.ask(key="kept")
    second = build(stage.store)
    async with stage.client("requester", second.app) as client:
        again = await client.post(
            "/v1/requests", json=ask_body(), headers={"idempotency-key": "kept"}
        )
    assert again.json()["id"] == first.json()["id"]


async def test_a_key_is_for_one_body_and_one_person(stage):
    """Another body is a conflict; another person's same key is their own."""
    await stage.ask(key="k")
    assert (await stage.ask(WRITE, key="k")).status_code == 409
    assert (await stage.ask(key="k", who="requester-agent")).status_code == 201


async def test_waiting_ends_when_the_grant_changes(stage):
    """A held GET answers soon after someone else's change, with the new version."""
    grant = (await stage.ask(WRITE)).json()
    path = f"/v1/grants/{grant['id']}?wait=10&after_version={grant['version']}"
    held = asyncio.create_task(stage.call("requester", "GET", path))
    await asyncio.sleep(0.05)
    await stage.call("requester", "POST", f"/v1/requests/{grant['id']}/cancel")
    answer = await asyncio.wait_for(held, 2)
    assert answer.json()["state"] == "cancelled"


async def test_an_edit_voids_what_reviewers_saw(stage):
    """PUT makes a revision; a review of the old digest is refused."""
    grant = (await stage.ask(WRITE)).json()
    path = f"/v1/requests/{grant['id']}"
    edited = await stage.call("requester", "PUT", path, json=ask_body(WRITE, duration_seconds=60))
    assert edited.json()["revision"] == 2, edited.text
    review = {"digest": grant["digest"], "verdict": "approve", "comment": ""}
    stale = await stage.call("reviewer", "POST", f"{path}/reviews", json=review)
    assert stale.status_code == 409


async def test_agents_never_review(stage):
    """A reviewer's agent sees the request and still cannot say yes."""
    grant = (await stage.ask(WRITE)).json()
    review = {"digest": grant["digest"], "verdict": "approve"}
    path = f"/v1/requests/{grant['id']}/reviews"
    answer = await stage.call("reviewer-agent", "POST", path, json=review)
    assert answer.status_code == 403


async def test_lists_go_page_by_page(stage):
    """Every request comes once, newest first."""
    made = [(await stage.ask(READ)).json()["id"] for _ in range(5)]
    found, before = [], None
    while True:
        query = f"&before={before}" if before else ""
        path = f"/v1/requests?mine=true&limit=2{query}"
        page = (await stage.call("requester", "GET", path)).json()
        found += [item["id"] for item in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert found == sorted(made, reverse=True)


async def test_audit_that_cannot_be_written_stops_new_access_not_endings(stage):
    """503 for asking, 200 for ending (laws 5 and 10)."""
    from protem.domain.errors import AuditUnavailableError  # noqa: PLC0415

    grant = (await stage.ask(public_half=HALF, wait=5)).json()
    stage.plane.around.audit_log.failure = AuditUnavailableError("the disk is full")
    assert (await stage.ask()).status_code == 503
    ended = await stage.call("requester", "POST", f"/v1/grants/{grant['id']}/end?wait=5")
    assert ended.json()["state"] == "ended"


async def test_evidence_is_asked_for_with_a_request_and_shown_with_it(stage):
    """Links and what the target said are in the document whose digest is approved."""
    link = "https://alerts.example/d?panel=7#now"
    stage.connector.rehearsed_rows = 5_000
    asked = await stage.ask(WRITE, evidence={"links": [link], "explain": True})
    assert asked.status_code == 201, asked.text
    evidence = asked.json()["request"]["evidence"]
    assert evidence["links"] == [link]
    (exhibit,) = evidence["exhibits"]
    assert (exhibit["kind"], exhibit["rows"]) == ("explain", 5_000)
    path = f"/v1/requests/{asked.json()['id']}"
    edited = await stage.call("requester", "PUT", path, json=ask_body(WRITE))
    assert "evidence" not in edited.json()["request"]
    assert edited.json()["digest"] != asked.json()["digest"]


@pytest.mark.parametrize(
    "evidence",
    [
        {"links": ["javascript:alert(1)"]},
        {"links": ["http://alerts.example/1"]},
        {"links": ["https://a.example/"] * 6},
        {"links": ["https://a.example/" + "x" * 500]},
        {"links": "https://a.example/"},
        {"links": [None]},
        {"explain": "yes"},
        {"dry_run": True},
        [],
    ],
)
async def test_evidence_that_is_none_is_refused(stage, evidence):
    """Another scheme, too many, too long, another type: 422, and nothing is on record."""
    answer = await stage.ask(WRITE, evidence=evidence)
    assert answer.status_code == 422, answer.text
    assert (await stage.call("requester", "GET", "/v1/requests?mine=true")).json()["items"] == []
