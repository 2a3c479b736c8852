"""Slack: one notice as one message of our app, which can be rewritten later.

Here: talking to Slack's Web API. Not here: the look of a message (slack_blocks), clicks
(slack_clicks), when and how often (deliver_notices, keep_messages).

Invariants: the token goes to the configured API alone and into no error; while Slack asks us to
wait, it is not asked; a call is never repeated in here, since a message would stand there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import WebClient

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import Notice
from protem.domain.secret import Secret
from protem.notifications.http_answers import Patience
from protem.notifications.slack_blocks import blocks, summary
from protem.ports.clock import Clock

API = "https://slack.com/api/"
_WITHIN_SECONDS = 10
_WORTH_TRYING_AGAIN = frozenset(
    {
        "fatal_error",
        "internal_error",
        "ratelimited",
        "rate_limited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
        # set right at Slack or in the settings, the same notice will be taken
        "access_denied",
        "account_inactive",
        "channel_not_found",
        "invalid_auth",
        "is_archived",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "not_in_channel",
        "restricted_action",
        "token_expired",
        "token_revoked",
    }
)
_SLACK_WORDS = frozenset("abcdefghijklmnopqrstuvwxyz_")


class SlackNotifier:
    """One channel of one workspace."""

    def __init__(
        self,
        *,
        name: str,
        channel: str,
        token: Secret,
        clock: Clock,
        public_url: str,
        api: str = API,
    ) -> None:
        """Build it.

        Args:
            name: in the settings.
            channel: Slack's id of it.
            token: of our app's bot.
            clock: tells when Slack may be asked again.
            public_url: where the pages of this server are, for the link in each notice.
            api: where Slack's Web API is.
        """
        self._name, self._channel, self._token = name, channel, token
        self._public_url, self._api = public_url.rstrip("/"), api
        self._patience = Patience(name, clock)

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """Send one notice.

        Raises:
            RetryLaterError: Slack is away or busy, or does not let us in.
            RefusedError: it will never take this.
        """
        await self.post(notice)

    async def post(self, notice: Notice) -> str:
        """Send one notice and return its place: channel and time stamp."""
        said = await self._call("chat.postMessage", self._message(notice, ""))
        channel, stamp = said.get("channel"), said.get("ts")
        if not isinstance(channel, str) or not isinstance(stamp, str):
            raise RetryLaterError(f"{self._name}: Slack's answer names no message")
        return f"{channel} {stamp}"

    async def rewrite(self, receipt: str, notice: Notice, over: str = "") -> None:
        """Let a message say something else; one without buttons once it is over."""
        channel, _, stamp = receipt.partition(" ")
        message = {**self._message(notice, over), "channel": channel, "ts": stamp}
        await self._call("chat.update", message)

    async def close(self) -> None:
        """Nothing is open between two messages."""

    def _message(self, notice: Notice, over: str) -> dict[str, Any]:
        return {
            "channel": self._channel,
            "text": summary(notice),
            "blocks": blocks(notice, f"{self._public_url}{notice.path}", over),
            "unfurl_links": False,
            "unfurl_media": False,
        }

    async def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._patience.check()
        try:
            return await asyncio.to_thread(self._caller(), method, arguments)
        except SlackApiError as error:
            raise self._trouble(error) from None
        except (SlackClientError, HTTPException, OSError, ValueError) as error:
            # ValueError: an answer that is no JSON; it is not repeated, it may hold anything
            raise RetryLaterError(f"{self._name}: no delivery: {type(error).__name__}") from None

    def _caller(self) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
        client = WebClient(
            token=self._token.reveal(),
            base_url=self._api,
            timeout=_WITHIN_SECONDS,
            retry_handlers=[],
        )

        def call(method: str, arguments: dict[str, Any]) -> dict[str, Any]:
            data = client.api_call(method, json=arguments).data
            return data if isinstance(data, dict) else {}

        return call

    def _trouble(self, error: SlackApiError) -> RetryLaterError | RefusedError:
        response = error.response
        status, data = response.status_code, response.data
        found = data.get("error") if isinstance(data, dict) else None
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._patience.asked(response.headers.get("Retry-After"))
        if not isinstance(found, str) or not set(found) <= _SLACK_WORDS:
            # the page of something between us and Slack; it is not repeated, it may hold anything
            return RetryLaterError(f"{self._name}: the answer, a {status}, is not Slack's")
        said = f"{self._name}: Slack answered {status}, {found[:64]}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or found in _WORTH_TRYING_AGAIN:
            return RetryLaterError(said)
        return RefusedError(said)
