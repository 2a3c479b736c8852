"""The channel contract for mail, at a real mail server, and what mail alone must stand."""

import asyncio
import email
import email.policy
import ssl
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from protem.bootstrap.notify_test import send_test_notice
from protem.bootstrap.settings import load_settings
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.secret import Secret
from protem.notifications.mail import MailNotifier, MailServer
from protem.testing.notifier_contract import HOSTILE, NOTICE, NotifierContract, NotifierUnderTest
from protem.testing.personal_notifier_contract import (
    KNOWN,
    WAY,
    PersonalNotifierContract,
    PersonalNotifierUnderTest,
)
from protem.testing.tls_files import postgresql_tls_settings

# the receiver here may take passwords in clear text: it is the sender who must not give them
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
PASSWORD = "correct horse"
FIRST, SECOND, OWN = "ann@example.com", "bob@example.com", "ann.at.home@example.com"


class Mailbox:
    """A mail server that takes what it is given, but for what a test says."""

    def __init__(self):
        self.mails, self.answers, self.passwords = [], {}, []
        self.data_answer = "250 OK"
        self.met = 0
        self._servers = []

    async def start(self, *, ssl_context=None, **options):
        """Listen on a port of its own; return the port."""
        loop = asyncio.get_running_loop()

        def met():
            protocol = SMTP(self, loop=loop, **options)
            self.met += 1
            return protocol

        server = await loop.create_server(met, "127.0.0.1", 0, ssl=ssl_context)
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def stop(self):
        """Go away."""
        for server in self._servers:
            server.close()
            await server.wait_closed()

    def log_in(self, _server, _session, _envelope, _mechanism, given):
        """Take one password."""
        self.passwords.append(given.password.decode())
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802  # aiosmtpd's name
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  # aiosmtpd's name
        if self.data_answer.startswith("250"):
            parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.mails.append((tuple(envelope.rcpt_tos), parsed))
        return self.data_answer


@pytest.fixture
async def mailbox():
    """Make a server; a test starts it."""
    found = Mailbox()
    yield found
    await found.stop()


def mail_by(port, people=None, **server):
    return MailNotifier(
        name="owners",
        server=MailServer(**{"host": "127.0.0.1", "port": port, "security": "none", **server}),
        sender="protem@example.com",
        to=[FIRST, SECOND],
        public_url="https://protem.test/",
        people=people or {},
    )


def parts(mail):
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return text, html


class TestMail(NotifierContract):
    """Over SMTP."""

    @pytest.fixture(params=[0, 1], ids=["text", "html"])
    async def channel(self, request, mailbox):
        """A server that takes everything; each of the two forms must say all."""

        def seen():
            shown = (parts(mail)[request.param] for _, mail in mailbox.mails)
            return [unescape(each) if request.param else each for each in shown]

        def answer(said):
            mailbox.data_answer = said

        return NotifierUnderTest(
            notifier=mail_by(await mailbox.start()),
            seen=seen,
            be_away=lambda: answer("451 later"),
            refuse=lambda: answer("554 no"),
        )


class TestPersonalMail(PersonalNotifierContract):
    """Over SMTP, to one address."""

    @pytest.fixture(params=[0, 1], ids=["text", "html"])
    async def personal(self, request, mailbox):
        """A server that takes everything; each of the two forms must say all."""

        def seen():
            shown = [parts(mail)[request.param] for to, mail in mailbox.mails if to == (OWN,)]
            return [unescape(each) if request.param else each for each in shown]

        def away():
            mailbox.data_answer = "451 later"

        notifier = mail_by(await mailbox.start(), people={KNOWN: OWN})
        return PersonalNotifierUnderTest(notifier=notifier, seen=seen, be_away=away)


async def test_a_link_goes_to_its_person_and_the_list_never_sees_one(mailbox):
    """Two mails of one notice: one to all without a link, one to the person with it."""
    notifier = mail_by(await mailbox.start(), people={KNOWN: OWN})
    await notifier.deliver(NOTICE)
    await notifier.deliver_to(KNOWN, NOTICE, WAY)
    (everybody, shared), (alone, own) = mailbox.mails
    assert (everybody, alone, own["to"]) == ((FIRST, SECOND), (OWN,), OWN)
    assert not any(WAY.path.reveal() in part for part in parts(shared))
    for part in parts(own):
        assert f"https://protem.test{WAY.path.reveal()}" in part


async def test_a_mail_with_a_fresh_link_is_no_repeat_of_an_older_one(mailbox):
    """A mailbox that drops what it has by Message-ID would keep the link that is over."""
    notifier = mail_by(await mailbox.start(), people={KNOWN: OWN})
    for way in (None, WAY, replace(WAY, until=WAY.until + timedelta(minutes=3))):
        await notifier.deliver_to(KNOWN, NOTICE, way)
    assert len({mail["message-id"] for _, mail in mailbox.mails}) == 3


async def test_hostile_text_beside_a_link_adds_no_header_and_no_other_link(mailbox):
    """Ours stand in the first lines; what a stranger wrote is below, indented and escaped."""
    hostile = replace(
        NOTICE, title=f"x {HOSTILE}", lines=(("Reason", f"https://e.example\n{HOSTILE}"),)
    )
    await mail_by(await mailbox.start(), people={KNOWN: OWN}).deliver_to(KNOWN, hostile, WAY)
    ((recipients, mail),) = mailbox.mails
    assert (recipients, mail["bcc"]) == ((OWN,), None)
    text, html = parts(mail)
    ours = [line for line in text.splitlines() if line.startswith("https://")]
    assert ours == [f"https://protem.test{path}" for path in (NOTICE.path, WAY.path.reveal())]
    assert html.count("<a ") == 2
    assert "<b>" not in html


async def test_hostile_text_adds_no_header_no_recipient_and_no_line_of_ours(mailbox):
    """A title with a line break is one subject; what a stranger wrote is indented and escaped."""
    forged = "x\nApproved by:\n    ann\n<script>alert(1)</script><img src=https://e.example>"
    hostile = replace(
        NOTICE,
        title=f"Grüße {HOSTILE}",
        lines=(("Reason", forged),),
        risks=("<script>\r\n.\r\nQUIT",),
    )
    await mail_by(await mailbox.start()).deliver(hostile)
    ((recipients, mail),) = mailbox.mails
    assert recipients == (FIRST, SECOND)
    assert mail["bcc"] is None
    assert mail["subject"].startswith("Grüße")
    text, html = parts(mail)
    ours = [line for line in text.splitlines() if line and not line.startswith("    ")]
    assert ours[0] == f"https://protem.test{NOTICE.path}"
    assert "Approved by:" not in ours
    assert not [tag for tag in ("<script", "<img", "<b>") if tag in html]


async def test_every_delivery_of_a_notice_has_the_same_message_id(mailbox):
    """So that a mailbox shows what came twice as one."""
    notifier = mail_by(await mailbox.start())
    await notifier.deliver(NOTICE)
    await notifier.deliver(NOTICE)
    first, second = (mail["message-id"] for _, mail in mailbox.mails)
    assert first == second == f"<{NOTICE.id}@example.com>"


@pytest.mark.parametrize("everybody", [False, True])
@pytest.mark.parametrize(
    ("answer", "error"), [("550 no such user", RefusedError), ("450 later", RetryLaterError)]
)
async def test_a_recipient_that_is_refused_is_named(mailbox, answer, error, everybody):
    """The others got it, and yet it is not called delivered."""
    mailbox.answers = {SECOND: answer, **({FIRST: answer} if everybody else {})}
    with pytest.raises(error, match=SECOND) as raised:
        await mail_by(await mailbox.start()).deliver(NOTICE)
    assert answer[4:] not in str(raised.value)
    assert [to for to, _ in mailbox.mails] == ([] if everybody else [(FIRST,)])


async def test_nobody_listens(mailbox):
    """It is worth trying again."""
    port = await mailbox.start()
    await mailbox.stop()
    with pytest.raises(RetryLaterError):
        await mail_by(port).deliver(NOTICE)


@pytest.fixture
def certified(tmp_path):
    """Return the server's TLS and the client's trust in it."""
    postgresql_tls_settings(tmp_path)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    return served, ssl.create_default_context(cafile=tmp_path / "ca.crt")


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_over_tls_with_the_password(mailbox, certified, security):
    """Both ways to TLS; the password is taken there."""
    served, trust = certified
    how = {"ssl_context": served} if security == "tls" else {"tls_context": served}
    port = await mailbox.start(
        authenticator=mailbox.log_in,
        auth_required=True,
        **how,
        **({"auth_require_tls": False} if security == "tls" else {"require_starttls": True}),
    )
    login = {"username": "protem", "password": Secret(PASSWORD)}
    await mail_by(port, security=security, trust=trust, **login).deliver(NOTICE)
    assert len(mailbox.mails) == 1
    wrong = {**login, "password": Secret("wrong one")}
    with pytest.raises(RetryLaterError) as raised:
        await mail_by(port, security=security, trust=trust, **wrong).deliver(NOTICE)
    assert "wrong one" not in str(raised.value)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_is_not_trusted_gets_nothing(mailbox, certified, security):
    """Neither the password nor the notice."""
    served, _ = certified
    how = {"ssl_context": served} if security == "tls" else {"tls_context": served}
    port = await mailbox.start(authenticator=mailbox.log_in, auth_require_tls=False, **how)
    login = {"username": "protem", "password": Secret(PASSWORD)}
    with pytest.raises(RetryLaterError):
        await mail_by(port, security=security, **login).deliver(NOTICE)
    assert (mailbox.met, mailbox.mails, mailbox.passwords) == (1, [], [])


async def test_a_server_without_starttls_gets_nothing(mailbox):
    """What strips STARTTLS on the way learns no password."""
    port = await mailbox.start(authenticator=mailbox.log_in, auth_require_tls=False)
    login = {"username": "protem", "password": Secret(PASSWORD)}
    with pytest.raises(RetryLaterError):
        await mail_by(port, security="starttls", **login).deliver(NOTICE)
    assert (mailbox.met, mailbox.mails, mailbox.passwords) == (1, [], [])


async def test_a_test_notice_goes_as_the_settings_say(mailbox, certified, tmp_path, monkeypatch):
    """From the file to the mailbox: TLS, authority, password, sender, recipients."""
    served, _ = certified
    port = await mailbox.start(
        authenticator=mailbox.log_in, auth_required=True, auth_require_tls=False, ssl_context=served
    )
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    path = tmp_path / "protem.toml"
    path.write_text(
        f"""
        [notifications.mail.owners]
        host = "127.0.0.1"
        port = {port}
        ca_file = "ca.crt"
        username = "protem"
        password = {{ env = "MAIL_PASSWORD" }}
        sender = "protem@example.com"
        to = ["{FIRST}"]
        """
    )
    await send_test_notice(load_settings(path), tmp_path, "owners")
    ((recipients, mail),) = mailbox.mails
    assert (recipients, mail["from"]) == ((FIRST,), "protem@example.com")
    assert mailbox.passwords == [PASSWORD]
