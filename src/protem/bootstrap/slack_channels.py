"""``[notifications.slack.NAME]`` as its two halves: what sends messages, and what takes clicks.

Here: making both. Not here: the table (notification_settings), the route (entrypoints.chat).

Invariant: a server whose secrets cannot be read does not start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from protem.bootstrap.notification_settings import SlackSettings
from protem.domain.errors import InvalidError
from protem.domain.principals import PrincipalId
from protem.notifications.slack import SlackNotifier
from protem.notifications.slack_clicks import SlackDesk
from protem.ports.clock import Clock

_LEAST_SECRET = 16
"""Characters; Slack's own has 32."""


def slack_notifier(
    name: str, table: SlackSettings, folder: Path, clock: Clock, public_url: str
) -> SlackNotifier:
    """Return what sends messages to one channel.

    Raises:
        InvalidError: the token cannot be read.
    """
    return SlackNotifier(
        name=name,
        channel=table.channel,
        token=table.token.read(f"notifications.slack.{name}.token", folder),
        clock=clock,
        public_url=public_url,
        api=table.api,
    )


def slack_desks(
    tables: Mapping[str, SlackSettings], folder: Path, clock: Clock
) -> dict[str, SlackDesk]:
    """Return what takes the clicks of each channel.

    Raises:
        InvalidError: a signing secret cannot be read, or is none.
    """
    return {name: _desk(name, table, folder, clock) for name, table in tables.items()}


def _desk(name: str, table: SlackSettings, folder: Path, clock: Clock) -> SlackDesk:
    where = f"notifications.slack.{name}.signing_secret"
    secret = table.signing_secret.read(where, folder)
    if len(secret.reveal().strip()) < _LEAST_SECRET:
        raise InvalidError(f"{where}: Slack's signing secrets are longer than that")
    return SlackDesk(
        workspace=table.workspace,
        channel=table.channel,
        signing_secret=secret,
        people={user: PrincipalId.parse(person) for user, person in table.people.items()},
        clock=clock,
        hooks=table.hooks,
    )
