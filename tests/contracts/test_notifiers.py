"""The channel contract: the fake, and a webhook at a real receiver."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.secret import Secret
from protem.notifications.webhook import WebhookNotifier
from protem.system.clock import SystemClock
from protem.testing.in_memory_notifier import InMemoryNotifier, InMemoryPersonalNotifier
from protem.testing.notifier_contract import NOTICE, NotifierContract, NotifierUnderTest
from protem.testing.personal_notifier_contract import (
    KNOWN,
    PersonalNotifierContract,
    PersonalNotifierUnderTest,
)

SECRET = "0123456789abcdef0123456789abcdef"


class Receiver:
    """A web server that takes what is posted to it."""

    def __init__(self):
        self.status, self.posts = 204, []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.posts.append((dict(self.headers), body))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "http://127.0.0.1:9/")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        """Go away."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver():
    """Start a receiver."""
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
async def webhook(receiver):
    """Make our side of it."""
    found = WebhookNotifier(
        name="ops",
        url=receiver.url,
        secret=Secret(SECRET),
        clock=SystemClock(),
        public_url="https://protem.test/",
    )
    yield found
    await found.close()


class TestWebhook(NotifierContract):
    """Over HTTP, signed."""

    @pytest.fixture
    async def channel(self, receiver, webhook):
        """A receiver that takes everything."""

        def seen():
            return [json.dumps(json.loads(body), ensure_ascii=True) for _, body in receiver.posts]

        def answer(status):
            receiver.status = status

        return NotifierUnderTest(
            notifier=webhook,
            seen=seen,
            be_away=lambda: answer(503),
            refuse=lambda: answer(400),
        )


class TestInMemoryNotifier(NotifierContract):
    """The fake."""

    @pytest.fixture
    async def channel(self):
        """It keeps what it is told."""
        fake = InMemoryNotifier()

        def fail(error):
            fake.failure = error

        return NotifierUnderTest(
            notifier=fake,
            seen=lambda: [json.dumps(notice.to_json()) for notice in fake.taken],
            be_away=lambda: fail(RetryLaterError("away")),
            refuse=lambda: fail(RefusedError("no")),
        )


async def test_a_receiver_can_tell_ours_from_a_forgery(receiver, webhook):
    """The signature holds for the body, its id and its time, and for nothing else."""
    await webhook.deliver(NOTICE)
    ((headers, body),) = receiver.posts
    assert Webhook(SECRET.encode()).verify(body, headers)["id"] == NOTICE.id
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET.encode()).verify(body.replace(b"dana", b"eve!"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another secret of some length...").verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET.encode()).verify(body, {**headers, "webhook-id": "x"})


@pytest.mark.parametrize(
    ("status", "error"), [(302, RefusedError), (429, RetryLaterError), (404, RetryLaterError)]
)
async def test_a_redirect_is_not_followed_and_a_wrong_address_is_tried_again(
    receiver, webhook, status, error
):
    """A notice goes where the settings say; what a person can set right is worth waiting for."""
    receiver.status = status
    with pytest.raises(error):
        await webhook.deliver(NOTICE)
    assert len(receiver.posts) == 1


class TestInMemoryPersonal(PersonalNotifierContract):
    """The fake's personal side."""

    @pytest.fixture
    async def personal(self):
        """A channel that knows one person."""
        notifier = InMemoryPersonalNotifier(people=[KNOWN])

        def seen():
            return [
                f"{notice.to_json()!s} {way.path.reveal() if way else ''}"
                for who, notice, way in notifier.handed
                if who == KNOWN
            ]

        def away():
            notifier.failure = RetryLaterError("away")

        return PersonalNotifierUnderTest(notifier=notifier, seen=seen, be_away=away)
