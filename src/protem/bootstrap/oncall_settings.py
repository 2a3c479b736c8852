"""Settings of those on call: schedules, where each comes from, and what rotas call people.

Here: ``[oncall]``. Not here: the rotas that it declares (declared_rotas), which load their clients.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.settings_table import Duration, SettingsTable, Text
from protem.domain.errors import InvalidError
from protem.domain.oncall import ScheduleName
from protem.domain.principals import PrincipalId
from protem.domain.weekly_windows import zone_named

_LOCAL = "local"


class FileSchedule(SettingsTable):
    """``[oncall.schedules.NAME]`` with ``source = "file"``."""

    source: Literal["file"]
    path: Text


class IcsSchedule(SettingsTable):
    """``[oncall.schedules.NAME]`` with ``source = "ics"``: a ``url`` or a ``path``."""

    source: Literal["ics"]
    url: SecretReference | Text | None = None
    path: Text | None = None
    time_zone: Text = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            zone_named(name)
        except InvalidError as error:
            raise ValueError(error.message) from error
        return name

    @model_validator(mode="after")
    def _is_somewhere(self) -> IcsSchedule:
        if (self.url is None) == (self.path is None):
            raise ValueError("a calendar has a url or a path")
        return self


class PagerDutySettings(SettingsTable):
    """``[oncall.schedules.NAME]`` with ``source = "pagerduty"``."""

    source: Literal["pagerduty"]
    schedule_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$")]
    token: SecretReference
    api: Text = "https://api.pagerduty.com"


Schedule = Annotated[FileSchedule | IcsSchedule | PagerDutySettings, Field(discriminator="source")]


class OncallSettings(SettingsTable):
    """``[oncall]``."""

    refresh_every: Duration = timedelta(minutes=1)
    longest_age: Duration = timedelta(hours=12)
    people: dict[str, str] = {}
    schedules: dict[str, Schedule] = {}

    @field_validator("schedules")
    @classmethod
    def _names_are_names(cls, schedules: dict[str, Schedule]) -> dict[str, Schedule]:
        for name in schedules:
            try:
                ScheduleName(name)
            except InvalidError as error:
                raise ValueError(error.message) from error
        return schedules

    @field_validator("people")
    @classmethod
    def _people_are_accounts(cls, people: dict[str, str]) -> dict[str, str]:
        for account in people.values():
            try:
                account_named(account)
            except InvalidError as error:
                raise ValueError(error.message) from error
        return people

    @property
    def names(self) -> frozenset[ScheduleName]:
        """The schedules by name."""
        return frozenset(map(ScheduleName, self.schedules))


def account_named(text: str) -> PrincipalId:
    """Read ``NAME`` or ``ISSUER|SUBJECT``."""
    if "|" in text:
        return PrincipalId.parse(text)
    return PrincipalId(issuer=_LOCAL, subject=text)
