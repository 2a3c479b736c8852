"""A Microsoft Teams channel, by the address of a Workflows webhook.

Here: one notice as one Adaptive Card. Not here: answers: such a webhook takes none, so the card
leads to the page.

Invariants: the address is a secret as a whole and is never repeated; redirects are not followed;
text that a stranger wrote is in text runs, where Teams reads no markdown; a card stays below the
size that Teams takes, and says so where something was left out.

Source: adaptivecards.io schema 1.4; learn.microsoft.com, "Create incoming webhooks": 28 KB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx2
from microsoft_teams.cards import AdaptiveCard, CardElement, OpenUrlAction, RichTextBlock, TextRun

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import MORE, Notice
from protem.domain.secret import Secret
from protem.domain.untrusted_text import printable, printable_lines
from protem.notifications.retry_after import asked_delay

_WITHIN_SECONDS = 10.0
_MOST_BYTES = 27_000
_MOST_TEXT = 4_000
_FOR_GOOD = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


class TeamsNotifier:
    """One channel."""

    def __init__(self, *, name: str, url: Secret, public_url: str) -> None:
        """Build it.

        Args:
            name: in the settings.
            url: of the workflow, with its signature.
            public_url: where the pages of this server are, for the link in each notice.
        """
        self._name, self._url = name, url
        self._public_url = public_url.rstrip("/")
        self._http: httpx2.AsyncClient | None = None

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """Post one card.

        Raises:
            RetryLaterError: Teams is away or busy, or the workflow is switched off.
            RefusedError: it will never take this.
        """
        body = _message(notice, f"{self._public_url}{notice.path}")
        headers = {"content-type": "application/json"}
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=_WITHIN_SECONDS, follow_redirects=False)
        try:
            response = await self._http.post(self._url.reveal(), content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RetryLaterError(f"{self._name} does not answer: {type(error).__name__}") from None
        if HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return
        said = f"{self._name} answered {response.status_code}"
        if response.status_code in _FOR_GOOD:
            raise RefusedError(said)
        raise RetryLaterError(said, delay=asked_delay(response))

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None


def _message(notice: Notice, link: str) -> bytes:
    """Return the body; blocks that would make it too large are left out, with a word."""
    blocks: list[CardElement] = [*_blocks(notice)]
    kept = blocks
    while len(body := _packed(kept, link)) > _MOST_BYTES:
        blocks = blocks[:-1]
        kept = [*blocks, _block(f"\u26a0 This is not all of it:{MORE}", color="Attention")]
    return body


def _packed(blocks: list[CardElement], link: str) -> bytes:
    card = AdaptiveCard(
        version="1.4", body=blocks, actions=[OpenUrlAction(title="Open the page", url=link)]
    )
    message = {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": card.model_dump(mode="json", by_alias=True, exclude_none=True),
            }
        ],
    }
    return json.dumps(message, separators=(",", ":")).encode()


def _blocks(notice: Notice) -> Iterator[RichTextBlock]:
    yield _block(printable(notice.title), weight="Bolder", size="Large")
    for risk in notice.risks:
        yield _block(f"\u26a0 {printable(risk)}", weight="Bolder", color="Attention")
    for label, text in notice.lines:
        yield _block(printable(label), weight="Bolder")
        lines = printable_lines(text).split("\n")
        yield _block("\n".join(f"\u2502 {line}" for line in lines))


def _block(text: str, **look: Any) -> RichTextBlock:
    fitted = text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - len(MORE)] + MORE
    inlines: list[CardElement] = [TextRun(text=fitted, **look)]
    return RichTextBlock(inlines=inlines)
