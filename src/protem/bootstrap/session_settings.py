"""``[identity.sessions]``: how long a session lasts.

Here: both limits. Not here: what single providers and workloads say of their own (their tables).
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import model_validator

from protem.bootstrap.settings_table import Duration, SettingsTable
from protem.domain.bearer_tokens import SESSION_IDLE, SESSION_LIFETIME

_SHORTEST = timedelta(minutes=5)
_LONGEST = timedelta(days=7)


class SessionSettings(SettingsTable):
    """``[identity.sessions]``."""

    lifetime: Duration = SESSION_LIFETIME
    idle: Duration = SESSION_IDLE

    @model_validator(mode="after")
    def _are_sensible(self) -> SessionSettings:
        if not (self.idle >= _SHORTEST and _SHORTEST <= self.lifetime <= _LONGEST):
            raise ValueError("a session lasts 5m to 7d, and may be idle for 5m or more")
        return self
