"""Answers from Slack: forged, repeated, reordered, late, and good ones."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from slack_sdk.signature import Clock, SignatureVerifier
from tests.integration.control_plane_in_memory import WRITE, local, running
from tests.integration.played_chat import PlayedChat

from protem.domain.identifiers import GrantId
from protem.domain.notices import NoticeKind
from protem.domain.posted_messages import PostedMessage
from protem.domain.secret import Secret
from protem.entrypoints.chat.slack import PREFIX, create_slack_app
from protem.entrypoints.http_api.app import create_app
from protem.notifications.slack import SlackNotifier
from protem.notifications.slack_clicks import SlackDoor
from protem.services.answer_in_chat import NOT_MAPPED
from protem.services.channels import Channel
from protem.testing.notifier_contract import NOTICE

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PEOPLE = {
    "UREV": local("reviewer"),
    "UREQ": local("requester"),
    "USTR": local("stranger"),
    "UGONE": local("nobody"),
}
HOOK = f"{PREFIX}/ops"


@pytest.fixture
def chat():
    """Start what plays Slack."""
    found = PlayedChat()
    yield found
    found.stop()


@pytest.fixture
async def stage(chat):
    """A control plane with one Slack channel."""
    slack = SlackNotifier(
        name="ops",
        channel="C1",
        token=Secret("xoxb"),
        api=chat.url,
        public_url="https://protem.test",
    )
    channel = Channel(notifier=slack, kinds=frozenset({NoticeKind.REVIEW_WANTED}), board=slack)
    door = SlackDoor(workspace="T1", channel="C1", signing_secret=Secret(SECRET), people=PEOPLE)
    async with running(channels=(channel,)) as made:
        app = create_slack_app(made.plane.around, {"ops": door})
        made.app = create_app(made.plane, mounts={PREFIX: app})
        yield made
    await slack.close()


def payload(asked, verdict="approve", user="UREV", **more):
    """What Slack sends for one press."""
    value = f"{asked['id']} {asked['digest']}"
    return {
        "type": "block_actions",
        "team": {"id": "T1"},
        "user": {"id": user, "team_id": "T1"} if isinstance(user, str) else user,
        "channel": {"id": "C1"},
        "actions": [{"action_id": f"protem_{verdict}", "value": value}],
        "response_url": "http://127.0.0.1:9/evil",
        **more,
    }


def signed(stage, body, *, secret=SECRET, at=None, late=timedelta()):
    """Return headers as Slack makes them."""
    moment = str(int((at or stage.plane.around.clock.now() - late).timestamp()))
    signature = SignatureVerifier(secret, Clock()).generate_signature(timestamp=moment, body=body)
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": moment,
        "x-slack-signature": signature,
    }


async def press(stage, form, **how):
    """Send one press."""
    body = form if isinstance(form, bytes) else urlencode({"payload": json.dumps(form)}).encode()
    return await stage.call(None, "POST", HOOK, content=body, headers=signed(stage, body, **how))


async def state_of(stage, asked):
    """Return how the request stands."""
    grant = await stage.store.read(lambda view: view.grants.get(GrantId(asked["id"])))
    return str(grant.state)


async def until(condition):
    """Wait a little for what loops do."""
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def whispers(chat):
    """What persons were told alone."""
    return [form["text"] for form in chat.of("chat.postEphemeral")]


async def test_a_press_decides_and_the_message_says_so(stage, chat):
    """Posted with buttons, answered by somebody eligible, rewritten without them."""
    asked = (await stage.ask(WRITE)).json()
    await until(lambda: chat.of("chat.postMessage"))
    (posted,) = chat.of("chat.postMessage")
    assert asked["digest"] in json.dumps(posted["blocks"][-1])
    answer = await press(stage, payload(asked))
    assert answer.status_code == 200
    assert await state_of(stage, asked) == "approved"
    await until(lambda: chat.of("chat.update"))
    (form,) = chat.of("chat.update")
    assert form["ts"] == "170000.000001"
    assert "already decided: approved by reviewer" in json.dumps(form)
    assert "protem_approve" not in json.dumps(form)
    assert whispers(chat) == ["Your approval is recorded."]


async def test_an_answer_on_the_page_rewrites_the_message(stage, chat):
    """Wherever it was answered, and though this channel does not hear of decisions."""
    asked = (await stage.ask(WRITE)).json()
    await until(lambda: chat.of("chat.postMessage"))
    body = {"digest": asked["digest"], "verdict": "deny"}
    await stage.call("reviewer", "POST", f"/v1/requests/{asked['id']}/reviews", json=body)
    await until(lambda: chat.of("chat.update"))
    assert "denied by reviewer" in json.dumps(chat.of("chat.update"))
    await press(stage, payload(asked))
    assert whispers(chat) == ["Not recorded: already decided: denied by reviewer"]


async def test_a_message_that_could_not_be_rewritten_is_tried_again(stage, chat):
    """Delayed answers of Slack lose nothing, and a question posted after its answer is closed."""
    asked = (await stage.ask(WRITE)).json()
    await until(lambda: chat.of("chat.postMessage"))
    chat.status, chat.headers = 429, {"Retry-After": "1"}
    await stage.call("requester", "POST", f"/v1/requests/{asked['id']}/cancel")
    await until(lambda: chat.of("chat.update"))
    chat.status, tries = 200, len(chat.of("chat.update"))
    await until(lambda: len(chat.of("chat.update")) > tries)
    late = replace(NOTICE, id="late", grant_id=GrantId(asked["id"]), digest=asked["digest"])
    message = PostedMessage(notice=late, channel="ops", receipt="9.9", look_at=late.at)
    chat.posted.add("9.9")
    await stage.store.write(lambda tx: tx.messages.put(message))
    await until(lambda: chat.of("chat.update")[-1]["ts"] == "9.9")
    assert "withdrawn" in json.dumps(chat.of("chat.update")[-1])


@pytest.mark.parametrize(
    ("how", "more"),
    [
        ({"secret": "another"}, {}),
        ({"late": timedelta(minutes=6)}, {}),
        ({"late": -timedelta(minutes=6)}, {}),
        ({}, {"team": {"id": "T2"}}),
        ({}, {"team": None}),
        ({}, {"user": {"id": "UREV", "team_id": "T2"}}),
        ({}, {"user": {"id": "UREV"}}),
        ({}, {"user": None}),
        ({}, {"channel": {"id": "C2"}}),
        ({}, {"channel": "C1"}),
    ],
)
async def test_what_is_not_from_our_channel_now_is_refused(stage, chat, how, more):
    """Wrong secret, old, from the future, another workspace, a guest, another channel."""
    asked = (await stage.ask(WRITE)).json()
    assert (await press(stage, payload(asked, **more), **how)).status_code == 401
    assert await state_of(stage, asked) == "pending"
    assert whispers(chat) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x-slack-signature": ""},
        {"x-slack-signature": b"v0=\xe9"},
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-request-timestamp": "soon"},
        {"x-slack-request-timestamp": "9" * 40},
    ],
)
async def test_nothing_unsigned_comes_in(stage, headers):
    """Missing, malformed and wrong headers are refused, and so is a body that was altered."""
    body = urlencode({"payload": json.dumps(payload((await stage.ask(WRITE)).json()))}).encode()
    good = signed(stage, body)
    answer = await stage.call(None, "POST", HOOK, content=body, headers={**good, **headers})
    assert answer.status_code == 401
    for altered in (body + b"&x=1", b"\xff\xfe", b""):
        answer = await stage.call(None, "POST", HOOK, content=altered, headers=good)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("UNONE", NOT_MAPPED),
        ("USTR", "Not recorded: "),
        ("UGONE", "Not recorded: "),
        ("UREQ", "Not recorded: nobody reviews their own request"),
    ],
)
@pytest.mark.parametrize("verdict", ["approve", "deny"])
async def test_whoever_may_not_answer_reads_why_and_changes_nothing(
    stage, chat, user, said, verdict
):
    """Unmapped, not eligible, without an account, the requester: each alone reads it."""
    asked = (await stage.ask(WRITE)).json()
    assert (await press(stage, payload(asked, verdict, user))).status_code == 200
    assert await state_of(stage, asked) == "pending"
    (form,) = chat.of("chat.postEphemeral")
    assert form["user"] == user
    assert form["text"].startswith(said)


async def test_the_same_press_again_changes_nothing(stage, chat):
    """A replay inside the window and a double click: one verdict, and a word."""
    asked = (await stage.ask(WRITE)).json()
    at = stage.plane.around.clock.now()
    await asyncio.gather(*(press(stage, payload(asked), at=at) for _ in range(3)))
    await press(stage, payload(asked, "deny"))
    assert await state_of(stage, asked) == "approved"
    assert sorted(whispers(chat)) == [
        "Not recorded: already decided: approved by reviewer",
        *["Your approval is recorded."] * 3,
    ]
    given = await stage.store.read(lambda view: view.approvals.of(GrantId(asked["id"]), 1))
    assert len(given) == 1


async def test_the_log_tells_an_answer_in_a_chat_from_one_by_somebody_signed_in(stage):
    """Not by a comment, which anybody could write on the page."""
    pressed = (await stage.ask(WRITE)).json()
    await press(stage, payload(pressed))
    written = (await stage.ask(WRITE)).json()
    body = {"digest": written["digest"], "verdict": "approve", "comment": "answered in chat ops"}
    await stage.call("reviewer", "POST", f"/v1/requests/{written['id']}/reviews", json=body)
    entries = await stage.store.read(lambda view: view.audit.entries(start=0, limit=99))
    told = [json.loads(one.body) for one in entries if b"request.approved" in one.body]
    assert [one["data"].get("answered_in_chat") for one in told] == ["ops", None]
    assert told[0]["data"]["approval"]["comment"] == ""


async def test_an_approval_after_a_refusal_changes_nothing(stage, chat):
    """The first word counts."""
    asked = (await stage.ask(WRITE)).json()
    await press(stage, payload(asked, "deny"))
    await press(stage, payload(asked))
    assert await state_of(stage, asked) == "denied"
    assert whispers(chat)[-1] == "Not recorded: already decided: denied by reviewer"


async def test_a_press_on_an_old_revision_does_not_count_for_the_new_one(stage, chat):
    """The message showed something else."""
    asked = (await stage.ask(WRITE)).json()
    await until(lambda: chat.of("chat.postMessage"))
    wanted = {"target": "orders-db", "duration_seconds": 300, "command": {"argv": list(WRITE)}}
    await stage.call("requester", "PUT", f"/v1/requests/{asked['id']}", json=wanted)
    await press(stage, payload(asked))
    assert await state_of(stage, asked) == "pending"
    assert whispers(chat) == ["Not recorded: the request has changed, look at the page"]
    await until(lambda: chat.of("chat.update"))
    assert "has changed" in json.dumps(chat.of("chat.update"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload={",
        b"payload=[]",
        b"payload=" + b"[" * 100_000,
        b"payload=1&payload=2",
        b"x=1",
        b"%00",
    ],
)
async def test_what_is_malformed_is_refused(stage, body):
    """Though it is signed."""
    assert (await press(stage, body)).status_code in (400, 401)


@pytest.mark.parametrize(
    "more",
    [
        {"type": "view_submission"},
        {"actions": []},
        {"actions": ["x"]},
        {"actions": [{"action_id": "protem_approve", "value": "<!channel>"}]},
        {"user": {"id": "<@U1>", "team_id": "T1"}},
        {"user": {"team_id": "T1"}},
    ],
)
async def test_what_is_no_press_of_ours_is_refused(stage, more):
    """Other interactions, no button, two, a value that we did not make."""
    asked = (await stage.ask(WRITE)).json()
    assert (await press(stage, payload(asked, **more))).status_code == 400


async def test_the_door_is_narrow(stage):
    """Another name, method, media type, a huge body; and the link's own press asks for nothing."""
    asked = (await stage.ask(WRITE)).json()
    body = urlencode({"payload": json.dumps(payload(asked, "page"))}).encode()
    headers = signed(stage, body)
    for wanted, path, method, more in (
        (200, HOOK, "POST", {}),
        (404, f"{PREFIX}/other", "POST", {}),
        (405, HOOK, "GET", {}),
        (400, HOOK, "POST", {"content-type": "application/json"}),
    ):
        answer = await stage.call(None, method, path, content=body, headers={**headers, **more})
        assert answer.status_code == wanted
    assert (await press(stage, b"x" * 2_000_000)).status_code == 413
