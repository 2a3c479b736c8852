"""Mail: one notice as one message, in text and in HTML, with the way to the page.

Here: the message, and handing it to a mail server (RFC 5321, RFC 8314). Not here: when and how
often (deliver_notices), and any answer by mail: a link that is followed approves nothing, since
mail scanners follow links, too.

Invariants: hostile text is escaped, stays in its own line's indentation, and reaches no header but
the subject; what the settings say about TLS is done or nothing is sent, the password least of all;
every delivery of one notice has the same Message-ID; no error repeats what the mail server said.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from typing import Literal

import aiosmtplib

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.notices import Notice
from protem.domain.secret import Secret
from protem.domain.untrusted_text import printable, printable_lines

_WITHIN_SECONDS = 10.0
_SUBJECT_CHARACTERS = 150
_FOR_GOOD = range(500, 600)
_PAGE = (
    "<!doctype html>\n"
    '<html lang="en"><body><h1>{title}</h1>\n<p><a href="{link}">{link}</a></p>\n'
    "{risks}<table>\n{rows}</table></body></html>\n"
)
_ROW = (
    '<tr><th align="left" valign="top">{label}</th>'
    '<td><pre style="white-space:pre-wrap;margin:0">{text}</pre></td></tr>\n'
)


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
    """One list of recipients."""

    def __init__(
        self, *, name: str, server: MailServer, sender: str, to: Sequence[str], public_url: str
    ) -> None:
        """Build it.

        Args:
            name: in the settings.
            server: takes the mail.
            sender: an address.
            to: addresses.
            public_url: where the pages of this server are, for the link in each notice.
        """
        self._name, self._server, self._sender, self._to = name, server, sender, tuple(to)
        self._public_url = public_url.rstrip("/")

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """Send one notice to all recipients.

        Raises:
            RetryLaterError: the mail server is away, or does not let us in, or asks to come again.
            RefusedError: it will never take this, or not for every recipient.
        """
        message = self._message(notice)
        try:
            refused = await self._send(message)
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

    async def _send(self, message: EmailMessage) -> Mapping[str, int]:
        server = self._server
        refused, _ = await aiosmtplib.send(
            message,
            sender=self._sender,
            recipients=self._to,
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

    def _message(self, notice: Notice) -> EmailMessage:
        link = f"{self._public_url}{notice.path}"
        message = EmailMessage(policy=SMTP)
        message["Subject"] = printable(notice.title)[:_SUBJECT_CHARACTERS]
        message["From"] = self._sender
        message["To"] = ", ".join(self._to)
        message["Date"] = notice.at
        message["Message-ID"] = f"<{notice.id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in return
        message.set_content("\n".join(_text(notice, link)))
        message.add_alternative(_html(notice, link), subtype="html")
        return message


def _text(notice: Notice, link: str) -> Iterator[str]:
    # the link comes before anything that a stranger wrote
    yield from (link, "", printable(notice.title), "")
    for risk in notice.risks:
        yield f"! {printable(risk)}"
    for label, text in notice.lines:
        yield f"{printable(label)}:"
        yield from (f"    {line}" for line in printable_lines(text).split("\n"))
    yield ""


def _html(notice: Notice, link: str) -> str:
    risks = "".join(f"<p><strong>! {_escaped(risk)}</strong></p>\n" for risk in notice.risks)
    rows = "".join(
        _ROW.format(label=_escaped(label), text=escape(printable_lines(text)))
        for label, text in notice.lines
    )
    return _PAGE.format(title=_escaped(notice.title), link=escape(link), risks=risks, rows=rows)


def _escaped(text: str) -> str:
    return escape(printable(text))
