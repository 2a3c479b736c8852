"""The channel contract for Slack and Teams, over HTTP to a server that plays them."""

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from tests.integration.played_chat import PlayedChat

from protem.bootstrap.logging_setup import set_up_logging
from protem.bootstrap.settings import LogSettings
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.identifiers import GrantId
from protem.domain.notices import MORE
from protem.domain.secret import Secret
from protem.notifications.slack import SlackNotifier
from protem.notifications.slack_blocks import blocks_of
from protem.notifications.teams import TeamsNotifier
from protem.testing.in_memory_message_board import InMemoryMessageBoard
from protem.testing.message_board_contract import BoardUnderTest, MessageBoardContract
from protem.testing.notifier_contract import HOSTILE, NOTICE, NotifierContract, NotifierUnderTest

ASKED = replace(NOTICE, grant_id=GrantId("01kdvdn6390000000000000003"))
LINK = "https://protem.test/x"


@pytest.fixture
def chat():
    """Start the other end."""
    found = PlayedChat()
    yield found
    found.stop()


@pytest.fixture
async def slack(chat):
    """Make our side of Slack."""
    found = SlackNotifier(
        name="ops",
        channel="C1",
        token=Secret("xoxb-very-secret"),
        api=chat.url,
        public_url="https://protem.test/",
    )
    yield found
    await found.close()


@pytest.fixture
async def teams(chat):
    """Make our side of Teams."""
    found = TeamsNotifier(
        name="ops", url=Secret(chat.url + "very-secret"), public_url="https://protem.test"
    )
    yield found
    await found.close()


def under_test(notifier, chat, **refusal):
    """Put both ends together."""

    def answer(**how):
        for name, value in how.items():
            setattr(chat, name, value)

    return NotifierUnderTest(
        notifier=notifier,
        seen=lambda: [json.dumps(form) for _, form, _ in chat.calls],
        be_away=lambda: answer(status=503),
        refuse=lambda: answer(**refusal),
    )


class TestSlack(NotifierContract):
    """Slack's Web API."""

    @pytest.fixture
    async def channel(self, slack, chat):
        """It takes everything."""
        return under_test(slack, chat, error="invalid_blocks")


class TestSlackBoard(MessageBoardContract):
    """Slack's messages, by their timestamps."""

    @pytest.fixture
    async def chat_board(self, slack, chat):
        """It keeps what it is told."""

        def away():
            chat.status = 503

        return BoardUnderTest(
            board=slack,
            says=lambda receipt: json.dumps(
                [form for form in chat.of("chat.update") if form["ts"] == receipt]
            ),
            heard=lambda reader: json.dumps(
                [form for form in chat.of("chat.postEphemeral") if form["user"] == reader]
            ),
            be_away=away,
        )


class TestInMemoryMessageBoard(MessageBoardContract):
    """The fake."""

    @pytest.fixture
    async def chat_board(self):
        """It keeps what it is told."""
        fake = InMemoryMessageBoard()

        def away():
            fake.failure = RetryLaterError("away")

        return BoardUnderTest(
            board=fake,
            says=lambda receipt: str(fake.messages[receipt][1]),
            heard=lambda reader: str([text for who, text in fake.whispers if who == reader]),
            be_away=away,
        )


class TestTeams(NotifierContract):
    """A workflow's webhook."""

    @pytest.fixture
    async def channel(self, teams, chat):
        """It takes everything."""
        return under_test(teams, chat, status=400)


@pytest.mark.parametrize("kind", ["slack", "teams"])
async def test_a_chat_that_is_busy_is_left_alone_as_long_as_it_asks(kind, chat, slack, teams):
    """429 is honoured, within an hour."""
    notifier = {"slack": slack, "teams": teams}[kind]
    chat.status = 429
    for said, wanted in (("40", 40), ("9" * 9, 3_600)):
        chat.headers = {"Retry-After": said}
        with pytest.raises(RetryLaterError) as error:
            await notifier.deliver(NOTICE)
        assert error.value.delay == timedelta(seconds=wanted)


@pytest.mark.parametrize("code", ["channel_not_found", "invalid_auth", "xoxb-very-secret <b>"])
async def test_what_a_person_can_set_right_is_tried_again_and_no_secret_is_told(code, slack, chat):
    """As with a refused log-in of mail; of Slack's words only a code is repeated."""
    chat.error = code
    with pytest.raises(RetryLaterError) as error:
        await slack.deliver(NOTICE)
    assert "very-secret" not in error.value.message
    assert "<" not in error.value.message


async def test_neither_the_token_nor_the_address_is_logged(slack, teams, capsys):
    """Web clients log what they call; at the most talkative level, too."""
    root = logging.getLogger()
    handlers, level, ours = root.handlers[:], root.level, structlog.get_config()
    try:
        set_up_logging(LogSettings(level="debug"))
        logging.getLogger("test").info("is heard")
        await slack.deliver(NOTICE)
        await teams.deliver(NOTICE)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**ours)
    said = capsys.readouterr().err
    assert "is heard" in said
    assert "very-secret" not in said


@pytest.mark.parametrize("kind", ["slack", "teams"])
async def test_no_chat_is_followed_elsewhere(kind, chat, slack, teams):
    """A redirect gets neither the token nor the notice, and no error shows the address."""
    chat.status, chat.headers = 302, {"Location": chat.url + "elsewhere"}
    with pytest.raises(RetryLaterError) as error:
        await {"slack": slack, "teams": teams}[kind].deliver(NOTICE)
    assert len(chat.calls) == 1
    assert "secret" not in error.value.message


async def test_a_message_that_is_gone_is_not_rewritten_for_ever(slack, chat):
    """Somebody deleted it."""
    chat.error = "message_not_found"
    with pytest.raises(RefusedError):
        await slack.rewrite("1.2", NOTICE, "approved")


def texts(blocks):
    """Every text that is shown."""
    for block in blocks:
        for part in (block, *block.get("elements", ())):
            if "text" in part:
                yield part["text"]


def buttons(blocks):
    """What can be pressed."""
    return {element["action_id"] for block in blocks for element in block.get("elements", ())} - {
        "protem_page"
    }


def test_buttons_are_there_only_where_all_was_shown_and_no_signature_is_asked():
    """Nobody says yes to what they were not shown, nor without the key that policy asks for."""
    assert buttons(blocks_of(ASKED, LINK)) == {"protem_approve", "protem_deny"}
    long = ("Runs", "x" * 3_000)
    for hidden in (
        replace(ASKED, page_only=True),
        replace(ASKED, title="t" * 200),
        replace(ASKED, lines=(long,)),
        replace(ASKED, lines=(("Runs", "x" + MORE),)),
        replace(ASKED, lines=(("Runs", "y"),) * 60),
        replace(ASKED, lines=(("Runs", "y" * 2_000),) * 9),
    ):
        blocks = blocks_of(hidden, LINK)
        assert not buttons(blocks)
        assert len(blocks) <= 50
        assert hidden.page_only or "more on the page" in json.dumps(blocks)
    assert not buttons(blocks_of(ASKED, LINK, "approved by ann"))


@pytest.mark.parametrize("text", [HOSTILE, "<!channel>", "<https://e|x>", "&" * 4_000, "a\nWho\nb"])
def test_no_text_does_anything_in_slack(text):
    """No mention, no link, no label of its own; never over Slack's bounds."""
    hostile = replace(ASKED, title=text, lines=(("Reason", text),), risks=(text,))
    blocks = blocks_of(hostile, LINK, text)
    for shown in texts(blocks):
        assert shown["type"] == "plain_text"
        assert not {"<", ">"} & set(shown["text"])
        assert len(shown["text"]) <= 3_000
        assert "\nWho" not in shown["text"]


async def test_a_card_stays_below_what_teams_takes_and_says_what_is_missing(teams, chat):
    """28 KB; the way to the page is always there."""
    await teams.deliver(replace(NOTICE, lines=(("Runs", "\u4e2d" * 2_000),) * 9))
    ((_, form, headers),) = chat.calls
    assert int(headers["Content-Length"]) < 28_000
    assert "This is not all of it" in json.dumps(form)
    card = form["attachments"][0]["content"]
    assert card["actions"][0]["url"] == f"https://protem.test{NOTICE.path}"
    assert card["body"][1]["inlines"][0]["color"] == "Attention"


async def test_no_text_is_markdown_in_teams(teams, chat):
    """Every text stands in a text run, where Teams reads none."""
    await teams.deliver(replace(NOTICE, lines=(("Reason", "[x](https://e) **b**\nWho"),)))
    ((_, form, _),) = chat.calls
    body = form["attachments"][0]["content"]["body"]
    assert {block["type"] for block in body} == {"RichTextBlock"}
    assert body[-1]["inlines"][0]["text"] == "\u2502 [x](https://e) **b**\n\u2502 Who"
