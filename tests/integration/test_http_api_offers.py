"""Offers, comments and delegations over HTTP: sent twice, raced, hostile."""

import asyncio
from datetime import timedelta

import pytest
from tests.integration.control_plane_in_memory import HALF, WRITE, running

from protem.domain.instants import format_instant
from protem.system.clock import SystemClock


@pytest.fixture
async def stage():
    """A running control plane."""
    async with running() as made:
        yield made


async def asked(stage):
    """A request that an owner must approve, as its document."""
    return (await stage.ask(WRITE)).json()


async def offer(stage, grant, seconds=60, *, key=None, **facts):
    """Offer less."""
    return await stage.call(
        "reviewer",
        "POST",
        f"/v1/requests/{grant['id']}/offers",
        json={"digest": grant["digest"], "duration_seconds": seconds, **facts},
        headers={} if key is None else {"idempotency-key": key},
    )


async def accept(stage, grant, digest):
    """Take an offer."""
    path = f"/v1/requests/{grant['id']}/accept"
    return await stage.call("requester", "POST", path, json={"digest": digest})


async def test_an_offer_is_made_once_taken_once_and_used(stage):
    """Sent twice with one key it is one offer; what it says is what can be activated."""
    grant = await asked(stage)
    for _ in range(2):
        answer = await offer(stage, grant, key="k1", comment="long enough?")
        assert answer.status_code == 200, answer.text
    (made,) = answer.json()["offers"]
    assert (made["by"], made["comment"]) == ("local|reviewer", "long enough?")
    assert made["request"]["duration_seconds"] == 60
    taken = await accept(stage, grant, made["digest"])
    assert (taken.status_code, taken.json()["state"]) == (200, "approved")
    assert taken.json()["digest"] == made["digest"]
    again = await accept(stage, grant, made["digest"])
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    path = f"/v1/grants/{grant['id']}/activate"
    active = await stage.call("requester", "POST", path, json={"public_half": HALF})
    assert (active.status_code, active.json()["duration_seconds"]) == (200, 60)


async def test_accepting_races_with_a_no_and_with_an_edit(stage):
    """Exactly one of them wins; the state is one that it says."""
    for _ in range(5):
        grant = await asked(stage)
        made = (await offer(stage, grant)).json()["offers"][0]
        no = {"digest": grant["digest"], "verdict": "deny"}
        answers = await asyncio.gather(
            accept(stage, grant, made["digest"]),
            stage.call("reviewer", "POST", f"/v1/requests/{grant['id']}/reviews", json=no),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        now = (await stage.call("requester", "GET", f"/v1/requests/{grant['id']}")).json()
        assert now["state"] == ("approved" if answers[0].status_code == 200 else "denied")


@pytest.mark.parametrize(
    "facts",
    [
        {"seconds": 600}, {"seconds": 601}, {"seconds": 0}, {"seconds": -1},
        {"without": [{"kind": "table", "path": ["shop", "orders"], "action": "DELETE"}]},
        {"without": [{"kind": "table", "path": ["shop", "other"], "action": "DELETE"}]},
        {"without": [{"kind": "table"}]}, {"without": "everything"}, {"without": [None]},
        {"without": [{}] * 1_001}, {"comment": "x" * 2_001}, {"comment": "\0"}, {"scope": []},
        {"signature": {"kind": "ssh", "signature": "x"}},
    ],
)  # fmt: skip
async def test_an_offer_that_is_none_changes_nothing(stage, facts):
    """Not narrower, malformed, over the bounds, with a signature that is none."""
    grant = await asked(stage)
    answer = await offer(stage, grant, **facts)
    assert answer.status_code in (403, 422), answer.text
    now = (await stage.call("requester", "GET", f"/v1/requests/{grant['id']}")).json()
    assert (now["version"], now["offers"]) == (grant["version"], [])


async def test_a_comment_reaches_who_waits(stage):
    """The long poll of the requester ends with it; hostile text comes back as it was."""
    grant = await asked(stage)
    hostile = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
    poll = stage.call(
        "requester", "GET", f"/v1/grants/{grant['id']}?after_version={grant['version']}&wait=10"
    )
    say = stage.call(
        "reviewer", "POST", f"/v1/requests/{grant['id']}/comments", json={"text": hostile}
    )
    seen, _ = await asyncio.wait_for(asyncio.gather(poll, say), 8)
    (comment,) = seen.json()["comments"]
    assert (comment["author"], comment["text"]) == ("local|reviewer", hostile)


@pytest.mark.parametrize(
    "body",
    [
        {"to": "nobody"}, {"to": "reviewer-agent"}, {"to": "reviewer"}, {"to": ""},
        {"to": "x" * 600}, {"until": "tomorrow"}, {"until": "2020-01-01T00:00:00Z"},
        {"until": "2999-01-01T00:00:00Z"}, {"until": "2026-12-01T18:00"}, {"group": "engineers"},
        {"group": "a b"}, {"until": 5}, {"more": 1},
    ],
)  # fmt: skip
async def test_a_delegation_that_is_none_is_refused(stage, body):
    """To nobody, to oneself, without an end, of a group that one is not in."""
    until = format_instant(SystemClock().now() + timedelta(days=1))
    whole = {"to": "stranger", "until": until} | body
    answer = await stage.call("reviewer", "POST", "/v1/delegations", json=whole)
    assert answer.status_code in (404, 422), answer.text
    listed = await stage.call("reviewer", "GET", "/v1/delegations")
    assert listed.json() == {"items": []}


async def test_a_delegate_approves_over_http(stage):
    """A stranger sees nothing, stands in, sees it, approves it, and nothing after the end."""
    grant = await asked(stage)
    path = f"/v1/requests/{grant['id']}"
    assert (await stage.call("stranger", "GET", path)).status_code == 404
    until = format_instant(SystemClock().now() + timedelta(days=1))
    body = {"to": "stranger", "until": until, "group": "owners"}
    made = (await stage.call("reviewer", "POST", "/v1/delegations", json=body)).json()
    assert (await stage.call("stranger", "GET", path)).status_code == 200
    await stage.call("stranger", "POST", f"/v1/delegations/{made['id']}/end")
    assert (await stage.call("stranger", "GET", path)).status_code == 404
    await stage.call("reviewer", "POST", "/v1/delegations", json=body)
    yes = {"digest": grant["digest"], "verdict": "approve"}
    answer = await stage.call("stranger", "POST", f"{path}/reviews", json=yes)
    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
