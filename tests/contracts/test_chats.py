"""The channel contracts for chats: Slack and its messages, Teams and its cards."""

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contracts.test_notifiers import Receiver
from tests.integration.slack_workspace import CHANNEL, TOKEN, SlackWorkspace

from protem.bootstrap.logging_setup import set_up_logging
from protem.bootstrap.settings import LogSettings
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import MOST_CHARACTERS, NoticeKind
from protem.domain.secret import Secret
from protem.notifications.slack import SlackNotifier
from protem.notifications.teams import MOST_BYTES, TeamsNotifier
from protem.testing.in_memory_notifier import InMemoryRewritingNotifier
from protem.testing.manual_clock import ManualClock
from protem.testing.notifier_contract import HOSTILE, NOTICE, NotifierContract, NotifierUnderTest
from protem.testing.rewriting_notifier_contract import (
    RewritingNotifierContract,
    RewritingUnderTest,
)

ABOUT = replace(NOTICE, grant_id="01kdvdn6390000000000000003")
PAGE = "https://protem.test/requests/01kdvdn6390000000000000003"


@pytest.fixture
def workspace():
    """Start a Slack."""
    found = SlackWorkspace()
    yield found
    found.stop()


@pytest.fixture
def clock():
    """A clock of ours."""
    return ManualClock()


@pytest.fixture
def slack(workspace, clock):
    """Our side of it."""
    return SlackNotifier(
        name="approvals",
        channel=CHANNEL,
        token=Secret(TOKEN),
        clock=clock,
        public_url="https://protem.test/",
        api=workspace.api,
    )


class TestSlack(NotifierContract, RewritingNotifierContract):
    """Over HTTP, with Slack's limits."""

    @pytest.fixture
    async def channel(self, workspace, slack):
        """A channel that takes everything."""
        return NotifierUnderTest(
            notifier=slack,
            seen=workspace.texts,
            be_away=lambda: fail(workspace, 503),
            refuse=lambda: say(workspace, "invalid_blocks"),
        )

    @pytest.fixture
    async def rewriting(self, workspace, slack):
        """The same."""
        return RewritingUnderTest(
            notifier=slack,
            messages=workspace.texts,
            be_away=lambda: fail(workspace, 500),
            lose=workspace.messages.clear,
        )


class TestInMemory(RewritingNotifierContract):
    """The fake."""

    @pytest.fixture
    async def rewriting(self):
        """It keeps what it is told."""
        fake = InMemoryRewritingNotifier()
        return RewritingUnderTest(
            notifier=fake,
            messages=lambda: [json.dumps([n.to_json(), o]) for n, o in fake.messages.values()],
            be_away=lambda: setattr(fake, "failure", RetryLaterError("away")),
            lose=fake.messages.clear,
        )


class TestTeams(NotifierContract):
    """Over HTTP, one way."""

    @pytest.fixture
    async def channel(self, receiver, teams):
        """A workflow that takes everything."""
        return NotifierUnderTest(
            notifier=teams,
            seen=lambda: [body.decode() for _, body in receiver.posts],
            be_away=lambda: setattr(receiver, "status", 503),
            refuse=lambda: setattr(receiver, "status", 400),
        )


def fail(workspace, status, headers=None):
    """Let Slack answer every call with a status."""
    workspace.failure = status, b"<html>no</html>", headers or {}


def say(workspace, error):
    """Let Slack answer every call with an error of its own."""
    body = json.dumps({"ok": False, "error": error}).encode()
    workspace.failure = 200, body, {"content-type": "application/json"}


@pytest.fixture
def receiver():
    """Start a receiver."""
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def teams(receiver, clock):
    """Our side of a workflow."""
    return TeamsNotifier(
        name="ops", url=Secret(receiver.url), clock=clock, public_url="https://protem.test"
    )


async def test_a_review_has_buttons_bound_to_the_digest_and_a_link(workspace, slack):
    """Each answer asks again before it counts, and carries grant and digest."""
    await slack.deliver(ABOUT)
    buttons = workspace.buttons()
    assert set(buttons) == {"approve", "deny", "look"}
    assert buttons["look"]["url"] == PAGE
    for verdict in ("approve", "deny"):
        assert buttons[verdict]["value"] == f"{ABOUT.grant_id} {ABOUT.digest}"
        assert buttons[verdict]["confirm"]["title"]["text"].lower() == f"{verdict}?"


@pytest.mark.parametrize(
    "notice",
    [
        replace(ABOUT, page_only=True),
        replace(ABOUT, kind=NoticeKind.DECIDED),
        replace(ABOUT, kind=NoticeKind.REVIEW_DUE),
        replace(ABOUT, lines=(("Runs", "x" * (MOST_CHARACTERS - 19) + " … (more on the page)"),)),
        replace(ABOUT, lines=(("Runs", "\x1b" * 1_000),)),
        replace(ABOUT, lines=tuple((f"File {n}", "y" * 1_990) for n in range(9))),
        replace(ABOUT, lines=tuple((f"File {n}", "y") for n in range(60))),
    ],
    ids=["signed", "decided", "due", "cut-by-us", "longer-when-shown", "too-much", "too-many"],
)
async def test_what_cannot_be_answered_here_has_a_link_alone(workspace, slack, notice):
    """A signature is asked for, nothing is asked, or not everything is shown."""
    await slack.deliver(notice)
    assert set(workspace.buttons()) == {"look"}


async def test_a_message_that_leaves_something_out_says_so_loudly(workspace, slack):
    """And keeps what is short, such as the digest, which comes last."""
    lines = (*((f"File {n}", "y" * 1_990) for n in range(9)), ("Digest", "sha256:short"))
    await slack.deliver(replace(ABOUT, lines=lines))
    (said,) = workspace.texts()
    assert "does not show everything" in said
    assert "sha256:short" in said


async def test_no_text_of_a_stranger_is_markup_in_slack(workspace, slack):
    """Only the push line is read as markup, and there it is escaped; nothing is unfurled."""
    evil = "<!channel> <https://evil.example|Approve> *b* @here :tada: `x`"
    await slack.deliver(
        replace(ABOUT, title=evil, lines=((evil, evil),), risks=(evil,), page_only=True)
    )
    (message,) = workspace.messages.values()
    assert message["text"].startswith("&lt;!channel&gt; &lt;https://evil.example|Approve&gt;")
    assert (message["unfurl_links"], message["unfurl_media"]) == (False, False)
    kinds = {kind for block in message["blocks"] for kind in types_in(block)}
    assert kinds == {
        *("header", "rich_text", "rich_text_section", "rich_text_preformatted", "actions"),
        *("button", "text", "plain_text", "emoji"),
    }
    assert "mrkdwn" not in json.dumps(message)


def types_in(part):
    """Every type that a block is made of."""
    if isinstance(part, dict):
        yield from ([part["type"]] if "type" in part else [])
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from types_in(one)


async def test_hostile_text_everywhere_keeps_slacks_limits(workspace, slack):
    """Names, labels, risks and reasons of any length; Slack takes the message."""
    long = "\U0001f4a3" * 5_000
    for evil in (HOSTILE, long, "", "\n" * 3_000):
        notice = replace(ABOUT, title=evil, lines=((evil, evil),) * 20, risks=(evil,) * 9)
        receipt = await slack.post(notice)
        await slack.rewrite(receipt, notice, evil)
    assert len(workspace.messages) == 4


async def test_slack_is_left_alone_until_it_lets_us(workspace, slack, clock):
    """A 429 says for how long; nothing is sent before."""
    fail(workspace, 429, {"Retry-After": "40"})
    with pytest.raises(RetryLaterError) as refused:
        await slack.deliver(NOTICE)
    assert refused.value.delay == timedelta(seconds=40)
    workspace.failure = None
    clock.advance(timedelta(seconds=39))
    with pytest.raises(RetryLaterError):
        await slack.deliver(NOTICE)
    assert workspace.calls == []
    clock.advance(timedelta(seconds=1))
    await slack.deliver(NOTICE)
    assert len(workspace.calls) == 1


@pytest.mark.parametrize("wait", ["soon", "-1", "9" * 5_000, "", "1e9", "999999999"])
async def test_no_wait_that_slack_asks_for_is_without_bound(workspace, slack, wait):
    """Nonsense is half a minute, a year is a quarter of an hour."""
    fail(workspace, 429, {"Retry-After": wait})
    with pytest.raises(RetryLaterError) as refused:
        await slack.deliver(NOTICE)
    assert timedelta(0) < refused.value.delay <= timedelta(minutes=15)


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("invalid_auth", RetryLaterError),
        ("channel_not_found", RetryLaterError),
        ("not_in_channel", RetryLaterError),
        ("internal_error", RetryLaterError),
        ("invalid_blocks", RefusedError),
        ("<b>\x1b[2J no such word", RetryLaterError),
    ],
)
async def test_what_a_person_can_set_right_is_tried_again(workspace, slack, word, error):
    """Settings and rights; a message that Slack cannot read is given up, and no error is raw."""
    say(workspace, word)
    with pytest.raises(error) as raised:
        await slack.deliver(NOTICE)
    assert TOKEN not in raised.value.message
    assert "\x1b" not in raised.value.message


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"", {}),
        (200, b"[]", {"content-type": "application/json"}),
        (200, b"null", {"content-type": "application/json"}),
        (200, b'{"ok": true}', {"content-type": "application/json"}),
        (200, b"\xff\xfe", {"content-type": "application/json"}),
        (200, b'{"ok": true, "channel": 1, "ts": {}}', {"content-type": "application/json"}),
    ],
)
async def test_an_answer_that_is_not_slacks_is_tried_again(workspace, slack, answer):
    """A proxy's page is no proof that a message stands there."""
    workspace.failure = answer
    with pytest.raises(RetryLaterError):
        await slack.deliver(NOTICE)


async def test_a_slack_that_is_not_there_is_tried_again(workspace, slack):
    """Nothing listens."""
    workspace.stop()
    try:
        with pytest.raises(RetryLaterError):
            await slack.deliver(NOTICE)
    finally:
        workspace._server, workspace.stop = None, lambda: None


async def test_a_card_marks_risks_and_leads_to_the_page(receiver, teams):
    """In attention's colour; the one action opens the page; text runs know no Markdown."""
    evil = "[x](https://evil.example) **b** <at>all</at>"
    await teams.deliver(replace(ABOUT, lines=(("Reason", evil),), page_only=True))
    ((_, body),) = receiver.posts
    (attached,) = json.loads(body)["attachments"]
    card = attached["content"]
    assert attached["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Look at the page", "url": PAGE}]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert [run["text"] for run in runs if run.get("color") == "Attention"] == ["⚠ WRITES data"]
    assert evil in [run["text"] for run in runs]
    assert any("signed approval" in run["text"] for run in runs)
    assert "msteams" not in card


async def test_a_card_keeps_the_limit_of_teams_and_says_what_it_leaves_out(receiver, teams):
    """Counted in bytes; hostile and long texts everywhere."""
    for evil in (HOSTILE, "\U0001f4a3" * 50_000, "\n" * 9_000, '\\"' * 20_000):
        await teams.deliver(replace(ABOUT, title=evil, lines=((evil, evil),) * 9, risks=(evil,)))
    for _, body in receiver.posts:
        assert len(body) <= MOST_BYTES < 28 * 1_000
        assert b"does not show everything" in body


async def test_teams_is_left_alone_until_it_lets_us(receiver, teams, clock):
    """A 429 without a time is half a minute."""
    receiver.status = 429
    with pytest.raises(RetryLaterError):
        await teams.deliver(NOTICE)
    receiver.status = 202
    with pytest.raises(RetryLaterError):
        await teams.deliver(NOTICE)
    clock.advance(timedelta(seconds=30))
    await teams.deliver(NOTICE)
    assert len(receiver.posts) == 2


async def test_neither_token_nor_address_is_logged_or_told(receiver, teams, slack, capsys):
    """Clients would log what they call; at the most talkative level, too."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        set_up_logging(LogSettings(level="debug"))
        await slack.deliver(NOTICE)
        await teams.deliver(NOTICE)
        receiver.stop()
        with pytest.raises(RetryLaterError) as away:
            await teams.deliver(NOTICE)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        receiver.stop = lambda: None
    said = capsys.readouterr().err + away.value.message
    assert TOKEN not in said
    assert receiver.url not in said
