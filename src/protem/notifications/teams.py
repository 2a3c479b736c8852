"""Microsoft Teams: one notice as one Adaptive Card, posted to a workflow's webhook.

Here: the card and its one POST. Not here: when and how often (deliver_notices), and any answer:
such a webhook takes cards and gives nothing back, so the card leads to the page.

Invariants:
- The address is a secret as a whole, since whoever has it can post: it is in no error and no log.
- What somebody else wrote stands in text runs, which know no Markdown.
- A card that would be too large for Teams is cut, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx2
from microsoft_teams.cards import AdaptiveCard, CardElement, OpenUrlAction, RichTextBlock, TextRun

from protem.domain.errors import RetryLaterError
from protem.domain.notices import Notice
from protem.domain.secret import Secret
from protem.domain.untrusted_text import printable, printable_lines
from protem.notifications.http_answers import Patience, check_taken
from protem.ports.clock import Clock

MOST_BYTES = 25_000
"""Of a whole message; Teams takes 28 KB."""
_WITHIN_SECONDS = 10.0
_MOST_OF_A_LINE = 2_500
_CUT = " … (cut: the rest is on the page)"
_MORE = "This card does not show everything: look at the page, where all of it is."
_SIGNED = "A signed approval is asked for: answer on the page or in a terminal."


class TeamsNotifier:
    """One workflow."""

    def __init__(self, *, name: str, url: Secret, clock: Clock, public_url: str) -> None:
        """Build it.

        Args:
            name: in the settings.
            url: of the workflow's webhook.
            clock: tells when Teams may be asked again.
            public_url: where the pages of this server are, for the link in each notice.
        """
        self._name, self._url = name, url
        self._public_url = public_url.rstrip("/")
        self._patience = Patience(name, clock)

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """Send one notice.

        Raises:
            RetryLaterError: the workflow is away or busy.
            RefusedError: it will never take this.
        """
        self._patience.check()
        body = message(notice, f"{self._public_url}{notice.path}")
        try:
            async with httpx2.AsyncClient(timeout=_WITHIN_SECONDS, follow_redirects=False) as http:
                response = await http.post(
                    self._url.reveal(), content=body, headers={"content-type": "application/json"}
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RetryLaterError(f"{self._name} does not answer: {type(error).__name__}") from None
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise self._patience.asked(response.headers.get("retry-after"))
        check_taken(self._name, response.status_code)

    async def close(self) -> None:
        """Nothing is open between two cards."""


def message(notice: Notice, link: str) -> bytes:
    """Return the body of the POST, at most ``MOST_BYTES`` long."""
    head, tail = list(_head(notice)), [_text(_MORE, bold=True)]
    room = MOST_BYTES - len(_sent([*head, *tail], link))
    content: list[RichTextBlock] = []
    for block in _content(notice):
        room -= len(_as_json(block)) + 1
        if room < 0:
            return _sent([*head, *content, *tail], link)
        content.append(block)
    return _sent([*head, *content, *(tail if notice.is_cut else [])], link)


def _head(notice: Notice) -> Iterator[RichTextBlock]:
    yield _block(TextRun(text=_line(notice.title), size="Large", weight="Bolder"))
    if notice.page_only:
        yield _text(_SIGNED, bold=True)


def _content(notice: Notice) -> Iterator[RichTextBlock]:
    for risk in notice.risks:
        yield _block(TextRun(text=f"⚠ {_line(risk)}", color="Attention", weight="Bolder"))
    for label, text in notice.lines:
        yield _text(printable(label), bold=True)
        for line in printable_lines(text).split("\n"):
            yield _block(TextRun(text=_line(line), font_type="Monospace"), spacing="None")


def _text(text: str, *, bold: bool) -> RichTextBlock:
    return _block(TextRun(text=text, weight="Bolder" if bold else "Default"))


def _block(run: TextRun, **look: Any) -> RichTextBlock:
    inlines: list[CardElement] = [run]
    return RichTextBlock(inlines=inlines, **look)


def _line(text: str) -> str:
    shown = printable(text)
    if len(shown) > _MOST_OF_A_LINE:
        shown = shown[: _MOST_OF_A_LINE - len(_CUT)] + _CUT
    return shown or " "


def _as_json(block: RichTextBlock) -> bytes:
    return block.model_dump_json(by_alias=True, exclude_none=True).encode()


def _sent(body: list[RichTextBlock], link: str) -> bytes:
    card = AdaptiveCard(
        version="1.4", body=[*body], actions=[OpenUrlAction(url=link, title="Look at the page")]
    )
    content = card.model_dump_json(by_alias=True, exclude_none=True)
    return (
        '{"type":"message","attachments":[{"contentType":'
        f'"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{content}}}]}}'
    ).encode()
