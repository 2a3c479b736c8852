"""The channels that the settings file declares, made when it is read.

Here: each table of ``[notifications]`` as a channel. Not here: the tables (notification_settings),
what is told (``domain.notices``) and how each channel looks (notifications).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from protem.bootstrap.notification_settings import (
    ChannelSettings,
    MailSettings,
    SlackSettings,
    TeamsSettings,
)
from protem.bootstrap.settings import Settings
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.notices import NoticeKind
from protem.domain.principals import PrincipalId
from protem.domain.web_addresses import checked_address, is_protected
from protem.ports.clock import Clock
from protem.ports.notifier import Notifier
from protem.services.channels import Channel

if TYPE_CHECKING:  # extras
    from protem.notifications.mail import MailNotifier
    from protem.notifications.slack import SlackNotifier
    from protem.notifications.slack_clicks import SlackDoor


def declared_channels(settings: Settings, folder: Path, *, clock: Clock) -> Iterator[Channel]:
    """Yield the channels of the file; nothing is sent yet.

    Raises:
        InvalidError: a secret cannot be read, or a channel's extra is not installed.
    """
    public_url = settings.server.public_url or f"http://{settings.server.listen}"
    for name, table in settings.notifications.webhooks.items():
        secret = table.secret.read(f"notifications.webhooks.{name}.secret", folder)
        try:
            from protem.notifications.webhook import WebhookNotifier  # noqa: PLC0415  # an extra
        except ImportError as error:
            raise _extra_missing("webhook", error) from error
        notifier = WebhookNotifier(
            name=name, url=table.url, secret=secret, clock=clock, public_url=public_url
        )
        yield _channel(notifier, table)
    for name, slack in settings.notifications.slack.items():
        board = _slack(name, slack, folder, public_url)
        yield replace(_channel(board, slack), board=board)
    for name, teams in settings.notifications.teams.items():
        yield _channel(_teams(name, teams, folder, public_url), teams)
    for name, mail in settings.notifications.mail.items():
        _check_links(name, mail, settings.server.public_url)
        sender = _mail(name, mail, folder, public_url)
        channel = _channel(sender, mail)
        yield replace(channel, personal=sender, answer_by_link=mail.answer_by_link)


def _check_links(name: str, table: MailSettings, public_url: str | None) -> None:
    if table.answer_by_link and not is_protected(public_url or ""):
        raise InvalidError(
            f"notifications.mail.{name}.answer_by_link: a link that answers is sent for"
            " an https server.public_url alone"
        )


def slack_doors(settings: Settings, folder: Path) -> dict[str, SlackDoor]:
    """Return where clicks come in, by channel.

    Raises:
        InvalidError: a secret cannot be read, or the extra is not installed.
    """
    if not settings.notifications.slack:
        return {}
    try:
        from protem.notifications.slack_clicks import SlackDoor  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise _extra_missing("slack", error) from error
    doors = {}
    for name, table in settings.notifications.slack.items():
        where = f"notifications.slack.{name}.signing_secret"
        doors[name] = SlackDoor(
            workspace=table.workspace,
            channel=table.channel,
            signing_secret=table.signing_secret.read(where, folder),
            people={user: PrincipalId.parse(person) for user, person in table.people.items()},
        )
    return doors


def _slack(name: str, table: SlackSettings, folder: Path, public_url: str) -> SlackNotifier:
    from protem.notifications.slack import SlackNotifier  # noqa: PLC0415  # needs the server

    token = table.token.read(f"notifications.slack.{name}.token", folder)
    return SlackNotifier(
        name=name, channel=table.channel, token=token, api=table.api, public_url=public_url
    )


def _teams(name: str, table: TeamsSettings, folder: Path, public_url: str) -> Notifier:
    try:
        from protem.notifications.teams import TeamsNotifier  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise _extra_missing("teams", error) from error
    where = f"notifications.teams.{name}.url"
    url = table.url.read(where, folder)
    checked_address(url.reveal(), where)
    return TeamsNotifier(name=name, url=url, public_url=public_url)


def _mail(name: str, table: MailSettings, folder: Path, public_url: str) -> MailNotifier:
    try:
        from protem.notifications.mail import MailNotifier, MailServer  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise _extra_missing("mail", error) from error
    where = f"notifications.mail.{name}"
    password = None if table.password is None else table.password.read(f"{where}.password", folder)
    server = MailServer(
        host=table.host,
        port=table.port_used,
        security=table.security,
        trust=_trust(f"{where}.ca_file", table.ca_file, folder),
        username=table.username,
        password=password,
    )
    return MailNotifier(
        name=name,
        server=server,
        sender=table.sender,
        to=table.to,
        public_url=public_url,
        people={PrincipalId.parse(one): address for one, address in table.people.items()},
    )


def _trust(where: str, ca_file: str | None, folder: Path) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=folder / ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidError(f"{where}: {folder / ca_file} holds no certificate to trust") from error


def _channel(notifier: Notifier, table: ChannelSettings) -> Channel:
    return Channel(
        notifier=notifier,
        kinds=frozenset(NoticeKind(kind) for kind in table.kinds),
        groups=frozenset(GroupName(group) for group in table.groups),
    )


def _extra_missing(extra: str, error: ImportError) -> InvalidError:
    return InvalidError(
        f"this channel needs {error.name}, which is not installed",
        next_step=f"pip install 'protem[{extra}]'",
    )
