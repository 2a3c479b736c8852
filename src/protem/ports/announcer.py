"""News of changes as a port: who waits need not poll.

News may be lost (another process, a crash): whoever waits also looks again on a period.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from protem.domain.identifiers import GrantId


class Watch(Protocol):
    """A place to wait for news."""

    async def changed(self, at_most: timedelta) -> bool:
        """Wait until something was announced since the last call; False when time ran out."""
        ...


class Announcer(Protocol):
    """Carries news from those who commit to those who wait."""

    def announce(self, grant_id: GrantId | None = None) -> None:
        """Say, after a commit, that a grant (or something else) changed."""
        ...

    def watch(self, grant_id: GrantId | None = None) -> AbstractContextManager[Watch]:
        """Listen to one grant, or to everything."""
        ...
