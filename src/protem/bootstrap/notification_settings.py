"""``[notifications]``: where people are told of what waits for them and of what happened.

Here: the tables. Not here: the channels made of them (declared_channels).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.settings_table import SettingsTable, Text
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.notices import NoticeKind
from protem.domain.principals import PrincipalId
from protem.domain.web_addresses import checked_address

ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
MailAddress = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
    ),
]
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
_MAIL_PORTS = {"tls": 465, "starttls": 587, "none": 25}
_UNUSUAL = (NoticeKind.ENDED, NoticeKind.BREAK_GLASS, NoticeKind.TEST)
_USUAL = [kind.value for kind in NoticeKind if kind not in _UNUSUAL]


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
            _as_value_error(group, GroupName)
        return groups


class WebhookSettings(ChannelSettings):
    """``[notifications.webhooks.NAME]``."""

    url: Text
    secret: SecretReference

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return _address(url, "a webhook's url")


class MailSettings(ChannelSettings):
    """``[notifications.mail.NAME]``."""

    host: Text
    port: int | None = Field(default=None, ge=1, le=65_535)
    security: Literal["tls", "starttls", "none"] = "tls"
    ca_file: Text | None = None
    username: Text | None = None
    password: SecretReference | None = None
    sender: MailAddress
    to: list[MailAddress] = Field(min_length=1, max_length=100)
    people: dict[str, MailAddress] = Field(default={}, max_length=500)
    answer_by_link: bool = False

    @field_validator("people")
    @classmethod
    def _are_people(cls, people: dict[str, str]) -> dict[str, str]:
        for person in people:
            _as_value_error(person, PrincipalId.parse)
        return people

    @property
    def port_used(self) -> int:
        """The port, by default the usual one for this security."""
        return self.port if self.port is not None else _MAIL_PORTS[self.security]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.security == "none" and self.host not in _THIS_MACHINE:
            raise ValueError('security = "none" is for a mail server on this very machine')
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password come together")
        if self.answer_by_link and not self.people:
            raise ValueError("answer_by_link sends each person their own link: name them in people")
        return self


class SlackSettings(ChannelSettings):
    """``[notifications.slack.NAME]``: ids are Slack's, people are ISSUER|SUBJECT by user id."""

    workspace: str = Field(pattern=r"^T[A-Z0-9]{1,30}$")
    channel: str = Field(pattern=r"^[CG][A-Z0-9]{1,30}$")
    token: SecretReference
    signing_secret: SecretReference
    people: dict[Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{1,30}$")], Text] = {}
    api: Text = "https://slack.com/api/"

    @field_validator("api")
    @classmethod
    def _is_an_address(cls, api: str) -> str:
        return _address(api, "the api")

    @field_validator("people")
    @classmethod
    def _are_people(cls, people: dict[str, str]) -> dict[str, str]:
        for person in people.values():
            try:
                PrincipalId.parse(person)
            except InvalidError as error:
                raise ValueError(error.message) from error
        return people


class TeamsSettings(ChannelSettings):
    """``[notifications.teams.NAME]``: the address of a workflow is a secret as a whole."""

    url: SecretReference


class NotificationSettings(SettingsTable):
    """``[notifications]``."""

    webhooks: dict[ChannelName, WebhookSettings] = {}
    mail: dict[ChannelName, MailSettings] = {}
    slack: dict[ChannelName, SlackSettings] = {}
    teams: dict[ChannelName, TeamsSettings] = {}

    @model_validator(mode="after")
    def _has_one_channel_a_name(self) -> Self:
        names = [*self.webhooks, *self.mail, *self.slack, *self.teams]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two channels are called {name}")
        return self


def _address(url: str, what: str) -> str:
    try:
        return checked_address(url, what)
    except InvalidError as error:
        raise ValueError(error.message) from error


def _as_value_error(text: str, read: Callable[[str], object]) -> None:
    try:
        read(text)
    except InvalidError as error:
        raise ValueError(error.message) from error
