"""Broken glass and offers of less on the pages, without scripts."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.integration.control_plane_in_memory import (
    HALF,
    READ,
    TARGET,
    WRITE,
    ask_body,
    running,
)
from tests.integration.test_web_ui import Browser

from protem.domain.observations import LiveSession
from protem.entrypoints.web_ui.installation import install
from protem.services.observe_targets import observe_target

HOSTILE = "</textarea><script>alert(1)</script>\u202eevil"
MARK = '<li class="risk"><span aria-hidden="true">!</span> broken glass: nobody approved it</li>'


@pytest.fixture
async def stage():
    """A running control plane with its pages."""
    async with running() as running_stage:
        install(running_stage.app, public_url="http://protem.test")
        yield running_stage


async def break_glass(stage, reason="the site is down"):
    """Let the requester break the glass; return the grant, which is active."""
    body = ask_body(WRITE, reason=reason) | {"confirm_target": "orders-db", "public_half": HALF}
    answer = await stage.call("requester", "POST", "/v1/break-glass?wait=5", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def end(stage, grant_id):
    """Give it back and wait until it is over."""
    ended = await stage.call("requester", "POST", f"/v1/grants/{grant_id}/end?wait=5")
    assert ended.json()["state"] == "ended", ended.text


async def test_broken_glass_is_marked_wherever_it_is_shown(stage):
    """The board, one's own grants and the request: nobody takes it for an approved one."""
    grant_id = await break_glass(stage)
    for who, path in (
        ("reviewer", "/board"),
        ("requester", "/grants"),
        ("reviewer", f"/requests/{grant_id}"),
        ("reviewer", "/inbox"),
    ):
        assert MARK in (await Browser(stage, who).get(path)).text, path


async def test_the_review_is_owed_in_the_inbox_and_given_there(stage):
    """Once it is over, by whoever may approve there, with a reason, and shown ever after."""
    grant_id = await break_glass(stage, reason=f"the site is down {HOSTILE}")
    path = f"/requests/{grant_id}/glass-review"
    reviewer = Browser(stage, "reviewer")
    assert "owed once it is over" in (await reviewer.get("/inbox")).text
    fields = {"verdict": "justified", "comment": f"it was {HOSTILE}"}
    assert (await reviewer.post(path, "/inbox", **fields)).status_code == 409
    await end(stage, grant_id)
    inbox = (await reviewer.get("/inbox")).text
    assert f'action="{path}"' in inbox
    assert "<script>alert" not in inbox
    assert f'action="{path}"' not in (await Browser(stage, "requester").get("/inbox")).text
    for wrong in ({"comment": " "}, {"verdict": "perhaps"}, {"comment": "x" * 5_000}):
        assert (await reviewer.post(path, "/inbox", **(fields | wrong))).status_code == 422
    for _ in range(2):  # a double click is one review
        done = await reviewer.post(path, "/inbox", **fields)
        assert done.headers["location"] == f"/requests/{grant_id}?done=glass-reviewed"
    other = fields | {"verdict": "not_justified"}
    assert (await reviewer.post(path, "/inbox", **other)).status_code == 409
    assert f'action="{path}"' not in (await reviewer.get("/inbox")).text
    page = (await reviewer.get(f"/requests/{grant_id}")).text
    assert "verdict is-approve" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("who", ["requester", "stranger", "auditor"])
async def test_nobody_else_gives_the_review(stage, who):
    """Not who broke it, not who may only look, not a stranger."""
    grant_id = await break_glass(stage)
    await end(stage, grant_id)
    refused = await Browser(stage, who).post(
        f"/requests/{grant_id}/glass-review", verdict="justified", comment="fine"
    )
    assert refused.status_code in (403, 404)
    shown = (await stage.call("reviewer", "GET", f"/v1/glass-reviews/{grant_id}")).json()
    assert shown["review"] is None


async def offer(stage, asked, who="reviewer", **fields):
    """Send the form of an offer."""
    path = f"/requests/{asked['id']}"
    form = {"digest": asked["digest"], "duration": "", "comment": ""} | fields
    return await Browser(stage, who).post(f"{path}/offer", path, **form)


async def test_an_approver_offers_less_and_the_requester_takes_it(stage):
    """From one page to the other, with one button each; the offer is a yes to what is left."""
    asked = (await stage.ask(WRITE)).json()
    page = (await Browser(stage, "reviewer").get(f"/requests/{asked['id']}")).text
    assert f'action="/requests/{asked["id"]}/offer"' in page
    done = await offer(stage, asked, duration="2m", comment=HOSTILE)
    assert done.headers["location"] == f"/requests/{asked['id']}?done=offered"
    requester = Browser(stage, "requester")
    shown = (await requester.get(f"/requests/{asked['id']}")).text
    assert "Offered instead" in shown
    assert "<script>alert" not in shown
    digest = re.search(r'/accept">.*?name="digest" value="(sha256:[0-9a-f]+)"', shown, re.DOTALL)[1]
    path = f"/requests/{asked['id']}"
    assert (await requester.post(f"{path}/accept", path, digest=digest)).status_code == 303
    now = (await stage.call("requester", "GET", f"/v1{path}")).json()
    assert (now["state"], now["duration_seconds"]) == ("approved", 120)
    assert (await requester.post(f"{path}/accept", path, digest=digest)).status_code == 409


async def test_a_privilege_is_taken_away_by_its_box(stage):
    """What is left is what the reviewer left; a box that is none is refused."""
    asked = (await stage.ask(WRITE)).json()
    for place in ("9", "-1", "x", "1e3", "\u0661", "9" * 5_000):
        wrong = await offer(stage, asked, duration="2m", **{f"without-{place}": "1"})
        assert wrong.status_code == 422, place
    everything = await offer(stage, asked, **{"without-0": "1"})
    assert everything.status_code == 422
    assert "nothing would be left" in everything.text


async def test_an_offer_is_of_what_was_seen_by_who_may(stage):
    """After an edit it is refused, and so is one of nothing, of more, or by oneself."""
    asked = (await stage.ask(WRITE)).json()
    for fields in ({}, {"duration": "10m"}, {"duration": "2h"}, {"duration": "soon"}):
        assert (await offer(stage, asked, **fields)).status_code == 422, fields
    for who in ("requester", "stranger", "auditor"):
        assert (await offer(stage, asked, who, duration="2m")).status_code in (403, 404)
    stale = asked | {"digest": "sha256:" + "0" * 64}
    assert (await offer(stage, stale, duration="2m", **{"without-0": "1"})).status_code == 409
    page = (await Browser(stage, "reviewer").get(f"/requests/{asked['id']}")).text
    assert "Offered instead" not in page


async def test_sessions_are_named_on_the_board(stage):
    """What the target calls each, from where and since when; what others wrote is text."""
    asked = (await stage.ask(READ, public_half=HALF, wait=5)).json()
    seen = await observe_target(stage.plane.around, TARGET, statement=False)
    sessions = tuple(
        LiveSession(
            privilege=f"protem_{asked['id']}",
            handle=str(4_700 + number),
            started_at=datetime(2026, 1, 1, 12, 30, 30 - number, tzinfo=UTC),
            origin=HOSTILE,
        )
        for number in range(25)
    )
    look = stage.plane.loops.looks[TARGET]
    look.state = replace(seen, observation=replace(seen.observation, sessions=sessions))
    board = (await Browser(stage, "reviewer").get("/board")).text
    assert "25 live sessions" in board
    assert board.index("4724") < board.index("4723"), "the oldest comes first"
    assert "4700" not in board
    assert "and 5 more" in board
    assert "<script>alert" not in board
