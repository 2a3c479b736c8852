"""``[notifications]``: where people are told of what waits for them and of what happened.

Here: the tables. Not here: the channels made of them (declared_channels).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.settings_table import SettingsTable, Text
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.notices import NoticeKind
from protem.identity.oidc.fetching import checked_address

ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_USUAL = [NoticeKind.REVIEW_WANTED.value, NoticeKind.DECIDED.value, NoticeKind.STUCK.value]


class ChannelSettings(SettingsTable):
    """What every channel may say: which kinds of notices, and for which groups."""

    kinds: list[str] = _USUAL
    groups: list[str] = []

    @field_validator("kinds")
    @classmethod
    def _are_kinds(cls, kinds: list[str]) -> list[str]:
        known = {kind.value for kind in NoticeKind} - {NoticeKind.TEST.value}
        for kind in kinds:
            if kind not in known:
                raise ValueError(f"kinds are {', '.join(sorted(known))}")
        return kinds

    @field_validator("groups")
    @classmethod
    def _are_groups(cls, groups: list[str]) -> list[str]:
        for group in groups:
            _as_value_error(group)
        return groups


class WebhookSettings(ChannelSettings):
    """``[notifications.webhooks.NAME]``."""

    url: Text
    secret: SecretReference

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            return checked_address(url, "a webhook's url")
        except InvalidError as error:
            raise ValueError(error.message) from error


class NotificationSettings(SettingsTable):
    """``[notifications]``."""

    webhooks: dict[ChannelName, WebhookSettings] = {}


def _as_value_error(group: str) -> None:
    try:
        GroupName(group)
    except InvalidError as error:
        raise ValueError(error.message) from error
