"""The channels that the settings file declares, made when it is read.

Here: each table of ``[notifications]`` as a channel. Not here: the tables (notification_settings),
what is told (``domain.notices``) and how each channel looks (notifications).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from protem.bootstrap.notification_settings import ChannelSettings
from protem.bootstrap.settings import Settings
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.notices import NoticeKind
from protem.ports.clock import Clock
from protem.ports.notifier import Notifier
from protem.services.channels import Channel


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
