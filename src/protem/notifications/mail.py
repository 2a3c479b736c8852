"""Mail: one notice as one message, in text and in HTML, with the way to the page.

Here: the message, the copy for one person with their own link, and handing it to a mail server
(RFC 5321, RFC 8314). Not here: when and how often (deliver_notices), and the answer: a link that is
followed approves nothing, since mail scanners follow links, too; a button behind it does.

Invariants: hostile text is escaped, stays in its own line's indentation, and reaches no header but
the subject; what the settings say about TLS is done or nothing is sent, the password least of all;
every delivery of one notice has the same Message-ID, unless it brings another link, which must not
be taken for a repeat; a link that answers goes to its person's address alone; no error repeats what
the mail server said.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from types import MappingProxyType
from typing import Literal

import aiosmtplib

from protem.domain.answer_links import AnswerWay
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import Notice
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.domain.untrusted_text import printable, printable_lines

_WITHIN_SECONDS = 10.0
_SUBJECT_CHARACTERS = 150
_FOR_GOOD = range(500, 600)
_PAGE = (
    "<!doctype html>\n"
    '<html lang="en"><body><h1>{title}</h1>\n<p><a href="{link}">{link}</a></p>\n'
    "{answer}{risks}<table>\n{rows}</table></body></html>\n"
)
_ROW = (
    '<tr><th align="left" valign="top">{label}</th>'
    '<td><pre style="white-space:pre-wrap;margin:0">{text}</pre></td></tr>\n'
)
_ANSWER = "Answer without signing in, once, until {until} (this link is yours alone):"
_HTML_ANSWER = '<p>{words}<br><a href="{link}">{link}</a></p>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over.

    Attributes:
        security: TLS from the first byte, TLS after STARTTLS, or none, for this very machine.
        trust: whom its certificate is checked by; by default the system's authorities.
        username: to log in as; none: without.
        password: of ``username``.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    trust: ssl.SSLContext | None = None
    username: str | None = None
    password: Secret | None = None


class MailNotifier:
    """One list of recipients, and an address book for what is for one person alone."""

    def __init__(
        self,
        *,
        name: str,
        server: MailServer,
        sender: str,
        to: Sequence[str],
        public_url: str,
        people: Mapping[PrincipalId, str] = MappingProxyType({}),
    ) -> None:
        """Build it.

        Args:
            name: in the settings.
            server: takes the mail.
            sender: an address.
            to: addresses.
            public_url: where the pages of this server are, for the link in each notice.
            people: addresses of single persons.
        """
        self._name, self._server, self._sender, self._to = name, server, sender, tuple(to)
        self._public_url = public_url.rstrip("/")
        self._people = dict(people)

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    @property
    def people(self) -> frozenset[PrincipalId]:
        """Whose addresses are known."""
        return frozenset(self._people)

    async def deliver(self, notice: Notice) -> None:
        """Send one notice to all recipients.

        Raises:
            RetryLaterError: the mail server is away, or does not let us in, or asks to come again.
            RefusedError: it will never take this, or not for every recipient.
        """
        await self._hand_over(self._message(notice, self._to, None), self._to)

    async def deliver_to(self, person: PrincipalId, notice: Notice, way: AnswerWay | None) -> None:
        """Send one notice to one person.

        Raises:
            RetryLaterError: as ``deliver``.
            RefusedError: as ``deliver``, or the person has no address here.
        """
        if person not in self._people:
            raise RefusedError(f"{self._name} knows no address of {person}")
        to = (self._people[person],)
        await self._hand_over(self._message(notice, to, way), to)

    async def _hand_over(self, message: EmailMessage, to: Sequence[str]) -> None:
        try:
            refused = await self._send(message, to)
        except aiosmtplib.SMTPRecipientsRefused as error:
            self._check_recipients({each.recipient: each.code for each in error.recipients})
        except aiosmtplib.SMTPAuthenticationError as error:
            raise RetryLaterError(f"{self._name}: no log-in, answer {error.code}") from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            self._refuse(error.code, "the message")
        except (aiosmtplib.SMTPException, OSError) as error:
            raise RetryLaterError(f"{self._name}: no delivery: {type(error).__name__}") from None
        else:
            self._check_recipients(refused)

    async def close(self) -> None:
        """Nothing is open between two messages."""

    async def _send(self, message: EmailMessage, to: Sequence[str]) -> Mapping[str, int]:
        server = self._server
        refused, _ = await aiosmtplib.send(
            message,
            sender=self._sender,
            recipients=to,
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=None if server.password is None else server.password.reveal(),
            timeout=_WITHIN_SECONDS,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=server.trust,
        )
        return {address: response.code for address, response in refused.items()}

    def _check_recipients(self, refused: Mapping[str, int]) -> None:
        for_good = sorted(address for address, code in refused.items() if code in _FOR_GOOD)
        if for_good:
            raise RefusedError(f"{self._name} does not take mail for {', '.join(for_good)}")
        if refused:
            raise RetryLaterError(f"{self._name} cannot take mail for {', '.join(sorted(refused))}")

    def _refuse(self, code: int, what: str) -> None:
        said = f"{self._name} answered {code} to {what}"
        if code in _FOR_GOOD:
            raise RefusedError(said)
        raise RetryLaterError(said)

    def _message(self, notice: Notice, to: Sequence[str], way: AnswerWay | None) -> EmailMessage:
        link = f"{self._public_url}{notice.path}"
        message = EmailMessage(policy=SMTP)
        message["Subject"] = printable(notice.title)[:_SUBJECT_CHARACTERS]
        message["From"] = self._sender
        message["To"] = ", ".join(to)
        message["Date"] = notice.at
        name = notice.id if way is None else f"{notice.id}.{way.until.timestamp():.0f}"
        message["Message-ID"] = f"<{name}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in return
        answer = None if way is None else (_until(way), f"{self._public_url}{way.path.reveal()}")
        message.set_content("\n".join(_text(notice, link, answer)))
        message.add_alternative(_html(notice, link, answer), subtype="html")
        return message


def _until(way: AnswerWay) -> str:
    return _ANSWER.format(until=f"{way.until.astimezone(UTC):%H:%M UTC}")


def _text(notice: Notice, link: str, answer: tuple[str, str] | None) -> Iterator[str]:
    # the links come before anything that a stranger wrote
    yield from (link, "", *((*answer, "") if answer else ()), printable(notice.title), "")
    for risk in notice.risks:
        yield f"! {printable(risk)}"
    for label, text in notice.lines:
        yield f"{printable(label)}:"
        yield from (f"    {line}" for line in printable_lines(text).split("\n"))
    yield ""


def _html(notice: Notice, link: str, answer: tuple[str, str] | None) -> str:
    mine = ""
    if answer is not None:
        mine = _HTML_ANSWER.format(words=_escaped(answer[0]), link=escape(answer[1]))
    risks = "".join(f"<p><strong>! {_escaped(risk)}</strong></p>\n" for risk in notice.risks)
    rows = "".join(
        _ROW.format(label=_escaped(label), text=escape(printable_lines(text)))
        for label, text in notice.lines
    )
    return _PAGE.format(
        title=_escaped(notice.title), link=escape(link), answer=mine, risks=risks, rows=rows
    )


def _escaped(text: str) -> str:
    return escape(printable(text))
