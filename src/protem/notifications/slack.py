"""A Slack channel, whose messages can be answered and rewritten.

Here: calls of Slack's Web API. Not here: what a message looks like (slack_blocks), what comes back
from it (slack_clicks).

Invariants: the token goes to the configured API alone: redirects are not followed, and no address
that came with a message is ever called, so ``response_url`` is not used; nothing that Slack says is
repeated but its short error codes.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import httpx2

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import Notice
from protem.domain.secret import Secret
from protem.notifications.retry_after import asked_delay
from protem.notifications.slack_blocks import blocks_of, escaped, summary_of

_WITHIN_SECONDS = 10.0
_CODE = re.compile(r"[a-z_]{1,64}")
_FOR_GOOD = frozenset(
    {
        "cant_update_message",
        "edit_window_closed",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "message_not_found",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "user_not_in_channel",
    }
)
"""This message will never be taken; whatever else is said a person can set right, or passes."""


class SlackNotifier:
    """One channel of one workspace; also a ``MessageBoard``."""

    def __init__(
        self, *, name: str, channel: str, token: Secret, api: str, public_url: str
    ) -> None:
        """Build it.

        Args:
            name: in the settings.
            channel: its id in Slack.
            token: of the bot.
            api: where Slack's Web API is.
            public_url: where the pages of this server are, for the link in each notice.
        """
        self._name, self._channel, self._token = name, channel, token
        self._api, self._public_url = api.rstrip("/"), public_url.rstrip("/")
        self._http: httpx2.AsyncClient | None = None

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """Post one notice.

        Raises:
            RetryLaterError: Slack is away or busy, or does not let us in.
            RefusedError: it will never take this.
        """
        await self.post(notice)

    async def post(self, notice: Notice) -> str:
        """Post one notice; its receipt is Slack's timestamp of the message."""
        said = await self._call("chat.postMessage", self._message(notice, None))
        return str(said.get("ts", ""))

    async def rewrite(self, receipt: str, notice: Notice, outcome: str) -> None:
        """Let the message say what came of it."""
        await self._call("chat.update", {**self._message(notice, outcome), "ts": receipt})

    async def whisper(self, reader: str, text: str) -> None:
        """Post what one person alone sees."""
        form = {"channel": self._channel, "user": reader, "text": escaped(text), "parse": "none"}
        await self._call("chat.postEphemeral", form)

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _message(self, notice: Notice, outcome: str | None) -> dict[str, Any]:
        return {
            "channel": self._channel,
            "text": summary_of(notice),
            "parse": "none",
            "unfurl_links": False,
            "unfurl_media": False,
            "blocks": blocks_of(notice, f"{self._public_url}{notice.path}", outcome),
        }

    async def _call(self, method: str, form: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._token.reveal()}"}
        try:
            response = await self._client().post(
                f"{self._api}/{method}", json=form, headers=headers
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RetryLaterError(f"{self._name} does not answer: {type(error).__name__}") from None
        return self._checked(response)

    def _checked(self, response: httpx2.Response) -> dict[str, Any]:
        if response.status_code != HTTPStatus.OK:
            raise RetryLaterError(
                f"{self._name} answered {response.status_code}", delay=asked_delay(response)
            )
        try:
            said = response.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise RetryLaterError(f"{self._name} answered what is not Slack's")
        if said.get("ok") is True:
            return said
        code = str(said.get("error", ""))
        code = code if _CODE.fullmatch(code) else "an error without a name"
        if code in _FOR_GOOD:
            raise RefusedError(f"{self._name} refused: {code}")
        raise RetryLaterError(f"{self._name} refused: {code}", delay=asked_delay(response))

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=_WITHIN_SECONDS, follow_redirects=False)
        return self._http
