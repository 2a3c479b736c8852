"""The body that asks for a replay of policy."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from protem.entrypoints.http_api.bodies import Body

_MOST_SECONDS = 30 * 86_400


class ReplayBody(Body):
    """A draft of the policy: texts by file name, and how far back to ask."""

    files: Annotated[dict[str, str], Field(min_length=1, max_length=100)]
    since_seconds: Annotated[int, Field(ge=1, le=_MOST_SECONDS)] = _MOST_SECONDS
    limit: Annotated[int, Field(ge=0, le=1_000)] = 200

    @property
    def since(self) -> timedelta:
        """How far back."""
        return timedelta(seconds=self.since_seconds)
