"""What every table of the settings file has in common.

Here: strictness, and the shapes of a length of time and of a line of text. Not here: any table.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from protem.domain.durations import parse_duration
from protem.domain.errors import InvalidError


def _duration(text: object) -> timedelta:
    if not isinstance(text, str):
        raise ValueError('a length of time is text such as "8h"')  # noqa: TRY004  # pydantic's way
    try:
        return parse_duration(text)
    except InvalidError as error:
        raise ValueError(error.message) from error


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Text = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]


class SettingsTable(BaseModel):
    """One table of the file: unknown keys are refused, and no error repeats a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
