"""News within one process, on its event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from protem.domain.identifiers import GrantId


class _Watch:
    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def changed(self, at_most: timedelta) -> bool:
        try:
            async with asyncio.timeout(at_most.total_seconds()):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True


class LocalAnnouncer:
    """Wakes watchers of this process; call it on the event loop's thread."""

    def __init__(self) -> None:
        self._watches: dict[GrantId | None, set[_Watch]] = defaultdict(set)

    def announce(self, grant_id: GrantId | None = None) -> None:
        """Wake those who watch this grant and those who watch everything."""
        for key in {grant_id, None}:
            for watch in self._watches.get(key, ()):
                watch.event.set()

    @contextmanager
    def watch(self, grant_id: GrantId | None = None) -> Iterator[_Watch]:
        """Listen until the context ends."""
        watch = _Watch()
        self._watches[grant_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[grant_id].discard(watch)
            if not self._watches[grant_id]:
                del self._watches[grant_id]
