"""What Slack did not send, or not now, or not from where the settings say: nothing comes of it."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import httpx2
import pytest
from tests.integration.slack_stage import PLACE, slack_stage
from tests.integration.slack_workspace import (
    WORKSPACE,
    SlackWorkspace,
    signature_headers,
    signed,
)

from protem.domain.grants import GrantState
from protem.entrypoints.chat.app import PREFIX
from protem.notifications.slack_clicks import MOST_BYTES


@pytest.fixture
def workspace():
    """Start a Slack."""
    found = SlackWorkspace()
    yield found
    found.stop()


@pytest.fixture
async def stage(workspace):
    """A control plane whose reviewers are asked in Slack."""
    async with slack_stage(workspace) as found:
        yield found


async def refused(stage, body, headers, status, place=PLACE):
    """Post something wrong; nothing comes of it."""
    response = await stage.post(body, headers, place)
    assert response.status_code == status, response.text
    assert stage.workspace.replies == []


async def test_what_slack_did_not_sign_is_refused(stage):
    """Another secret, an altered body or time, a signature that is absent or nonsense."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    now = stage.clock.now()
    body, good = signed(payload, now)
    later = signature_headers(body, now + timedelta(seconds=1))
    wrong = [
        signed(payload, now, secret="another secret of some length"),
        (body.replace(b"approve", b"deny"), good),
        (body + b" ", good),
        (body, {**good, "x-slack-request-timestamp": later["x-slack-request-timestamp"]}),
        (body, {**good, "x-slack-signature": good["x-slack-signature"].upper()}),
    ]
    for name in ("x-slack-signature", "x-slack-request-timestamp"):
        rest = {key: value for key, value in good.items() if key != name}
        wrong.append((body, rest))
        nonsense = ("", "v0=", "\u00e9", "-1", "1e9", "9" * 5_000, "NaN", "v0=" + "0" * 64)
        wrong += [(body, {**rest, name: text.encode("latin-1")}) for text in nonsense]
    for sent, headers in wrong:
        await refused(stage, sent, headers, 401)
    assert await stage.state(asked) is GrantState.PENDING


@pytest.mark.parametrize("seconds", [-301, 302, -86_400, 86_400])
async def test_what_is_not_of_now_is_refused(stage, seconds):
    """Older than five minutes, and from a clock that is ahead by more."""
    await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    at = stage.clock.now() + timedelta(seconds=seconds)
    await refused(stage, *signed(payload, at), 401)


@pytest.mark.parametrize("seconds", [-295, 295])
async def test_what_is_late_by_less_counts(stage, seconds):
    """Networks are slow and clocks differ."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    response = await stage.send(payload, at=stage.clock.now() + timedelta(seconds=seconds))
    assert response.status_code == 200
    assert await stage.state(asked) is GrantState.APPROVED


async def test_the_same_body_again_changes_nothing(stage):
    """A replay within the window is the same answer; after another one it is too late."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    body, headers = signed(payload, stage.clock.now())
    for _ in range(3):
        assert (await stage.post(body, headers)).status_code == 200
    await stage.access.call("requester", "POST", f"/v1/requests/{asked['id']}/cancel")
    assert (await stage.post(body, headers)).status_code == 200
    assert await stage.state(asked) is GrantState.CANCELLED


@pytest.mark.parametrize(
    "changed",
    [
        {"team": {"id": "T0EVE"}},
        {"team": {"id": None}},
        {"user": {"id": "U0REVIEWER", "team_id": "T0EVE"}},
        {"user": {"id": "U0REVIEWER"}},
        {"channel": {"id": "C0OTHER"}},
        {"channel": {"id": ["C0001"]}},
        {"response_url": "https://evil.example/hooks/"},
        {"response_url": "http://169.254.169.254/latest/"},
        {"response_url": "HOOKS@evil.example/"},
        {"response_url": "HOOKS.evil.example/"},
    ],
)
async def test_what_comes_from_elsewhere_is_refused(stage, changed):
    """Another workspace, a guest from one, another channel, a way back that is not Slack's."""
    asked = await stage.ask()
    if "response_url" in changed:
        base = stage.workspace.hooks.rstrip("/").removesuffix("/hooks")
        changed = {"response_url": changed["response_url"].replace("HOOKS", base)}
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"], **changed)
    await refused(stage, *signed(payload, stage.clock.now()), 403)
    assert await stage.state(asked) is GrantState.PENDING


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload=%7B",
        b"payload=[]",
        b"payload=null",
        b"payload=" + b"%5B" * 60_000,
        b"payload=%FF%FE",
        b"payload={}&payload={}",
        b"a=1&b=2&c=3&d=4&e=5&payload={}",
        b"{}",
        urlencode({"payload": json.dumps({"type": "view_submission"})}).encode(),
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_signed_and_still_no_click_is_refused(stage, body):
    """Malformed, doubled, nested too deeply, of another kind."""
    await refused(stage, body, signature_headers(body, stage.clock.now()), 422)


@pytest.mark.parametrize(
    "wrong",
    [
        {"actions": []},
        {"actions": "approve"},
        {"actions": [1]},
        {"actions": [{"action_id": "approve"}]},
        {"actions": [{"action_id": "approve", "value": "x"}]},
        {"actions": [{"action_id": "approve", "value": "../../etc sha256:0"}]},
        {"actions": [{"action_id": "approve", "value": {"a": 1}}]},
        {"actions": [{"action_id": "grant", "value": "x y"}]},
        {"actions": [{"action_id": "approve", "value": "x"}] * 2},
        {"type": "message_action"},
        {"user": "U0REVIEWER"},
        {"user": None},
        {"team": []},
        {"response_url": None},
        {"user": {"id": 7, "team_id": WORKSPACE}},
    ],
    ids=repr,
)
async def test_a_payload_of_another_shape_is_refused(stage, wrong):
    """Every part that is read is checked, and nothing breaks."""
    await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"], **wrong)
    await refused(stage, *signed(payload, stage.clock.now()), 422)


async def test_a_huge_body_is_refused_before_it_is_checked(stage):
    """Declared or not; the bound is the route's own."""
    body = b"payload=" + b"x" * MOST_BYTES
    await refused(stage, body, signature_headers(body, stage.clock.now()), 413)

    async def pieces():
        for _ in range(9):
            yield b"x" * (MOST_BYTES // 8)

    await refused(stage, pieces(), signature_headers(b"", stage.clock.now()), 413)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "multipart/form-data"])
async def test_another_content_type_is_refused(stage, kind):
    """Slack sends forms."""
    await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    body, headers = signed(payload, stage.clock.now())
    await refused(stage, body, {**headers, "content-type": kind}, 422)


async def test_a_channel_that_is_not_there_takes_no_clicks(stage):
    """Nor does another method or path."""
    await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    sent = signed(payload, stage.clock.now())
    await refused(stage, *sent, 404, place=f"{PREFIX}/other")
    await refused(stage, *sent, 404, place=f"{PLACE}/more")
    transport = httpx2.ASGITransport(app=stage.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://p.test") as http:
        assert (await http.get(PLACE)).status_code == 405
