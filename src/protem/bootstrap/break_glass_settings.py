"""``[break_glass]``: how short, how soon reviewed, how long alarms are waited for.

Here: the three lengths. Not here: who may (policy) and the channels.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import model_validator

from protem.bootstrap.settings_table import Duration, SettingsTable
from protem.domain.broken_glass import ALARM_WAIT, LONGEST, REVIEW_WITHIN

_MOST_WAIT = timedelta(seconds=15)
_MOST_ACCESS = timedelta(hours=8)


class BreakGlassSettings(SettingsTable):
    """``[break_glass]``."""

    longest: Duration = LONGEST
    review_within: Duration = REVIEW_WITHIN
    alarm_wait: Duration = ALARM_WAIT

    @model_validator(mode="after")
    def _are_sensible(self) -> BreakGlassSettings:
        if self.longest > _MOST_ACCESS or self.alarm_wait > _MOST_WAIT:
            raise ValueError("longest is at most 8h, and alarm_wait at most 15s")
        return self
