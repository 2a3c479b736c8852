"""A signed webhook, for whatever understands JSON (standardwebhooks.com).

Here: one notice as one signed POST. Not here: when and how often (deliver_notices).

Invariants: the body is signed with its id and the time, so a receiver can refuse what was altered,
is old, or came before; redirects are not followed; nothing goes over the network in clear text but
to this very machine.
"""

from __future__ import annotations

import json
from http import HTTPStatus

import httpx2
from standardwebhooks.webhooks import Webhook

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import Notice
from protem.domain.secret import Secret
from protem.ports.clock import Clock

_WITHIN_SECONDS = 10.0
_WORTH_TRYING_AGAIN = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        # set right at the receiver, the same notice will be taken
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    }
)


class WebhookNotifier:
    """One receiver."""

    def __init__(
        self, *, name: str, url: str, secret: Secret, clock: Clock, public_url: str
    ) -> None:
        """Build it.

        Args:
            name: in the settings.
            url: of the receiver.
            secret: shared with it.
            clock: dates what is sent.
            public_url: where the pages of this server are, for the link in each notice.
        """
        self._name, self._url, self._clock = name, url, clock
        self._webhook = Webhook(secret.reveal().encode())
        self._public_url = public_url.rstrip("/")
        self._http: httpx2.AsyncClient | None = None

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """Send one notice.

        Raises:
            RetryLaterError: the receiver is away or busy.
            RefusedError: it will never take this.
        """
        form = {**notice.to_json(), "link": f"{self._public_url}{notice.path}"}
        body = json.dumps(form, separators=(",", ":"))
        at = self._clock.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(msg_id=notice.id, timestamp=at, data=body),
        }
        try:
            response = await self._client().post(self._url, content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RetryLaterError(f"{self._name} does not answer: {type(error).__name__}") from None
        self._check(response.status_code)

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _check(self, status: int) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        said = f"{self._name} answered {status}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _WORTH_TRYING_AGAIN:
            raise RetryLaterError(said)
        raise RefusedError(said)

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=_WITHIN_SECONDS, follow_redirects=False)
        return self._http
