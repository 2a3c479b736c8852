"""Answers from Slack, over HTTP and against a Slack that plays the documented one.

Reordered, late and twice, by people with and without the right; and messages that stay true.
"""

import asyncio

import pytest
from tests.integration.control_plane_in_memory import WRITE
from tests.integration.slack_stage import PLACE, slack_stage, until
from tests.integration.slack_workspace import (
    SlackWorkspace,
    signed,
)

from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction, Signing
from protem.domain.errors import RetryLaterError
from protem.domain.grants import GrantState
from protem.domain.identifiers import GroupName
from protem.testing.in_memory_policy import FixedRule


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


@pytest.mark.parametrize(
    ("verdict", "state", "word"),
    [("approve", GrantState.APPROVED, "approval"), ("deny", GrantState.DENIED, "denial")],
)
async def test_a_click_is_an_answer_and_the_message_says_so(stage, verdict, state, word):
    """As the mapped person; it goes on record with the channel that vouched for them."""
    asked = await stage.ask(reason="stuck orders")
    assert await stage.click(verdict) == f"Your {word} is on record."
    assert await stage.state(asked) is state
    said = "Approved" if verdict == "approve" else "Denied"
    await until(lambda: f"{said} by reviewer" in stage.workspace.texts()[0])
    assert set(stage.workspace.buttons()) == {"look"}
    entries = await stage.around.store.read(lambda view: view.audit.entries(start=0, limit=99))
    (told,) = [entry.body for entry in entries if b"answered_in_chat" in entry.body]
    assert b'"answered_in_chat":"approvals"' in told
    assert b"local|reviewer" in told


@pytest.mark.parametrize("verdict", ["approve", "deny"])
async def test_a_message_is_rewritten_when_it_was_answered_elsewhere(stage, verdict):
    """On the page or in a terminal, though the channel wants to hear of no answers."""
    asked = await stage.ask()
    await stage.answer_on_the_page(asked, verdict)
    said = {"approve": "Approved by reviewer", "deny": "Denied by reviewer"}[verdict]
    await until(lambda: said in stage.workspace.texts()[0])
    assert set(stage.workspace.buttons()) == {"look"}
    assert len(stage.workspace.messages) == 1


async def test_a_message_is_rewritten_when_its_request_is_withdrawn(stage):
    """Nothing is left to click on."""
    asked = await stage.ask()
    await stage.access.call("requester", "POST", f"/v1/requests/{asked['id']}/cancel")
    await until(lambda: "Withdrawn" in stage.workspace.texts()[0])


async def test_an_old_message_answers_nothing_after_an_edit(stage):
    """The new revision has a message of its own; the old one says that the request changed."""
    asked = await stage.ask()
    old = stage.workspace.buttons()["approve"]
    body = {"target": asked["request"]["target"], "command": {"argv": list(WRITE)}}
    path = f"/v1/requests/{asked['id']}"
    await stage.access.call("requester", "PUT", path, json={**body, "duration_seconds": 300})
    await until(lambda: len(stage.workspace.messages) == 2)
    assert "has changed" in await stage.click("approve", button=old)
    assert await stage.state(asked) is GrantState.PENDING
    await until(lambda: "has changed since" in stage.workspace.texts()[0])
    assert await stage.click("approve") == "Your approval is on record."


async def test_a_click_is_bound_to_its_digest(stage):
    """Another digest in the button is not the one that the request has."""
    asked = await stage.ask()
    button = stage.workspace.buttons()["approve"]
    forged = {**button, "value": f"{asked['id']} sha256:{'0' * 64}"}
    assert "has changed" in await stage.click("approve", button=forged)
    assert await stage.state(asked) is GrantState.PENDING


async def test_a_later_answer_is_told_who_answered(stage):
    """Approve after deny, by the same person and by another: the first one stands."""
    asked = await stage.ask()
    approve, deny = (stage.workspace.buttons()[verdict] for verdict in ("approve", "deny"))
    assert "on record" in await stage.click("deny", button=deny)
    assert "Denied by reviewer" in await stage.click("approve", button=approve)
    assert await stage.state(asked) is GrantState.DENIED


async def test_a_double_click_is_one_answer(stage):
    """Both at once: each is told that the answer is on record, which it is once."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    await asyncio.gather(*(stage.send(payload) for _ in range(4)))
    assert [said["text"] for said in stage.workspace.replies] == ["Your approval is on record."] * 4
    given = await stage.around.store.read(lambda view: view.approvals.of(asked["id"], 1))
    assert len(given) == 1


@pytest.mark.parametrize("user", ["U0EVE", "u0reviewer", "U0REVIEWER ", "local|reviewer"])
async def test_a_user_whom_the_settings_do_not_name_is_nobody(stage, user):
    """They are told so, alone, and nothing is recorded."""
    asked = await stage.ask()
    assert "name nobody for the user" in await stage.click("approve", user)
    reply = stage.workspace.replies[-1]
    assert (reply["response_type"], reply["replace_original"]) == ("ephemeral", False)
    assert await stage.state(asked) is GrantState.PENDING


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("U0REQUESTER", "nobody reviews their own request"),
        ("U0STRANGER", "Nothing was recorded"),
        ("U0AUDITOR", "Nothing was recorded"),
        ("U0GONE", "unknown or disabled"),
        ("U0AGENT", "only a person"),
    ],
)
async def test_a_named_user_has_no_more_rights_than_on_the_page(stage, user, words):
    """Their own request, no right to review, an account that is gone, an agent."""
    asked = await stage.ask()
    for verdict in ("approve", "deny"):
        assert words in await stage.click(verdict, user)
    assert await stage.state(asked) is GrantState.PENDING


async def test_where_a_signature_is_asked_for_a_click_never_counts(stage):
    """The message has a link alone; a button from before the rule answers nothing either."""
    asked = await stage.ask()
    need = ApprovalRequirement(
        count=1, groups=frozenset({GroupName("owners")}), rule="key", signed=Signing.REQUIRED
    )
    rule = FixedRule(
        id="key",
        action=PolicyAction.REQUEST,
        outcome=Outcome.NEEDS_APPROVAL,
        approvals=(need,),
    )
    policy = stage.around.policy
    policy.change(rule, *policy._rules)
    assert "sign" in await stage.click("approve")
    assert await stage.state(asked) is GrantState.PENDING
    await stage.ask(reason="another")
    assert set(stage.workspace.buttons()) == {"look"}


async def test_a_request_that_was_answered_before_its_message_went_out_has_none(workspace):
    """Slack was away meanwhile: nobody is asked for what is decided."""
    workspace.failure = 503, b"", {}
    async with slack_stage(workspace) as stage:
        asked = (await stage.access.ask(WRITE)).json()
        await until(lambda: waiting(stage)[0].attempts > 0)
        await stage.answer_on_the_page(asked, "deny")
        workspace.failure = None
        await until(lambda: waiting(stage)[0].due_at is None)
        assert workspace.messages == {}


def waiting(stage):
    """The deliveries that are kept."""
    return list(stage.access.store._tables.notices.values())


async def test_a_message_that_could_not_be_rewritten_is_rewritten_later(stage):
    """However long Slack was away, and though nothing changed since."""
    asked = await stage.ask()
    stage.workspace.failure = 429, b"", {"Retry-After": "1"}
    await stage.answer_on_the_page(asked, "approve")
    await asyncio.sleep(0.2)
    assert "Approved by" not in stage.workspace.texts()[0]
    stage.workspace.failure = None
    await until(lambda: "Approved by reviewer" in stage.workspace.texts()[0])
    assert await stage.keeper.run_once() == 0


async def test_a_crash_between_rewriting_and_recording_rewrites_again(stage):
    """The message says the same; then nothing is left to do."""
    asked = await stage.ask()
    (shown,) = waiting(stage)
    await stage.answer_on_the_page(asked, "deny")
    await until(lambda: "Denied by reviewer" in stage.workspace.texts()[0])
    await until(lambda: waiting(stage)[0].shown_version is None)
    await stage.around.store.write(lambda tx: tx.notices.save(shown))
    assert await stage.keeper.run_once() == 1
    assert "Denied by reviewer" in stage.workspace.texts()[0]
    assert await stage.keeper.run_once() == 0


async def test_a_message_that_somebody_deleted_is_let_go(stage):
    """It is not tried for ever."""
    asked = await stage.ask()
    stage.workspace.messages.clear()
    await stage.answer_on_the_page(asked, "approve")
    await until(lambda: waiting(stage)[0].shown_version is None)
    assert "message_not_found" in waiting(stage)[0].last_error


async def test_who_approved_so_far_is_on_the_message(stage):
    """One of two: it stays open, and says who is missing."""
    policy = stage.around.policy
    two = ApprovalRequirement(count=2, groups=frozenset({GroupName("owners")}), rule="two")
    rule = FixedRule(
        id="two", action=PolicyAction.REQUEST, outcome=Outcome.NEEDS_APPROVAL, approvals=(two,)
    )
    policy.change(rule, *policy._rules)
    asked = await stage.ask()
    assert "2 of owners" in stage.workspace.texts()[0]
    assert await stage.click("approve") == "Your approval is on record."
    await until(lambda: "1 of owners" in stage.workspace.texts()[0])
    assert "Approved by" in stage.workspace.texts()[0]
    assert set(stage.workspace.buttons()) == {"approve", "deny", "look"}
    assert "has given a verdict" in await stage.click("deny")
    assert await stage.state(asked) is GrantState.PENDING


async def test_a_look_at_the_page_is_acknowledged_and_answers_nothing(stage):
    """Slack tells of clicks on links, too."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["look"])
    response = await stage.send(payload)
    assert (response.status_code, response.content) == (200, b"")
    assert stage.workspace.replies == []
    assert await stage.state(asked) is GrantState.PENDING


async def test_slack_is_acknowledged_before_anything_is_decided(stage):
    """It waits for three seconds; a slow store costs it nothing."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    body, headers = signed(payload, stage.clock.now())
    states = []

    async def send(message):
        if message["type"] == "http.response.body":
            states.append((message["body"], await stage.state(asked)))

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": PLACE,
        "raw_path": PLACE.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("p.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await stage.app(scope, receive, send)
    assert states == [(b"", GrantState.PENDING)]
    assert await stage.state(asked) is GrantState.APPROVED


async def test_an_answer_stands_though_slack_does_not_take_the_reply(stage):
    """The way back is a courtesy."""
    asked = await stage.ask()
    payload = stage.workspace.interaction(stage.workspace.buttons()["approve"])
    stage.workspace.failure = 500, b"", {}
    assert (await stage.send(payload)).status_code == 200
    assert await stage.state(asked) is GrantState.APPROVED


async def test_when_nothing_may_begin_a_click_says_so(stage):
    """A store that cannot be written grants nothing, in a chat either."""
    asked = await stage.ask()
    stage.access.store.failure = RetryLaterError("the disk is gone")
    words = await stage.click("approve")
    stage.access.store.failure = None
    assert words.startswith("Nothing was recorded")
    assert await stage.state(asked) is GrantState.PENDING


async def test_hostile_texts_reach_slack_as_texts(stage):
    """Whatever is in a reason, the message stands, is answered and rewritten."""
    evil = "<!channel> \x1b[2J\u202e <https://evil.example|x> `*_~ :tada: </b> @here"
    await stage.ask(reason=evil, ticket="<@U0ADMIN>")
    (said,) = stage.workspace.texts()
    assert not {"\x1b", "\u202e"} & set(said)
    assert await stage.click("approve") == "Your approval is on record."
    await until(lambda: "Approved by reviewer" in stage.workspace.texts()[0])
