"""Ended grants of which no signed statement says yet that the target shows nothing.

Here: what ended since the last look at each target, news of it for whoever looks, and how that is
found again after a restart. Not here: the look and the statement (observe_targets).

What is held here is a convenience: each statement names everything that was seen, so what is lost
is attested all the same by the next whole one. So it may be bounded, and it is.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import parse_instant
from protem.ports.store import Store, Transaction

RECALLED = 5_000
"""How far back in the log a restart looks."""
MOST_HELD = 20_000
"""Ends held for one target, which may be gone for good."""
_PAGE = 500

Ends = Mapping[GrantId, datetime]


class EndsToAttest:
    """Ends by target, from their record until a statement closes them."""

    def __init__(self) -> None:
        self._ends: dict[TargetName, dict[GrantId, datetime]] = defaultdict(dict)
        self._news: dict[TargetName, asyncio.Event] = defaultdict(asyncio.Event)
        self._recalled = False
        self._recalling = asyncio.Lock()

    def note(self, grant: Grant) -> None:
        """Take note of a grant whose end was just recorded."""
        if grant.ended_at is not None and len(self._ends[grant.target]) < MOST_HELD:
            self._ends[grant.target][grant.id] = grant.ended_at
        self.look_again(grant.target)

    def look_again(self, target: TargetName) -> None:
        """Wake whoever looks at the target."""
        self._news[target].set()

    def take_news(self, target: TargetName) -> Ends:
        """Return what waits to be attested; news from now on is for the next look."""
        self._news[target].clear()
        return dict(self._ends[target])

    async def news(self, target: TargetName) -> None:
        """Wait until a grant of the target ended."""
        await self._news[target].wait()

    def attested(self, target: TargetName, grants: Collection[GrantId]) -> None:
        """Forget what a statement on record closes."""
        for grant_id in grants:
            self._ends[target].pop(grant_id, None)

    def waiting(self, target: TargetName) -> int:
        """Return how many ends of the target no statement closes yet."""
        return len(self._ends[target])

    async def recall(self, store: Store, now: datetime) -> None:
        """Find, once, what an earlier run of the server left unattested, at the log's end.

        It ended before ``now``, whatever a clock said then that a person corrected since.
        """
        async with self._recalling:
            if self._recalled:
                return
            for target, ends in (await store.read(_unattested)).items():
                earlier = {grant_id: min(at, now) for grant_id, at in ends.items()}
                self._ends[target] = {**earlier, **self._ends[target]}
            self._recalled = True


def _unattested(view: Transaction) -> Mapping[TargetName, dict[GrantId, datetime]]:
    """Return what ended in the log's last entries and is closed by none of them."""
    ends: dict[TargetName, dict[GrantId, datetime]] = defaultdict(dict)
    size = view.audit.size()
    for start in range(max(0, size - RECALLED), size, _PAGE):
        for entry in view.audit.entries(start=start, limit=_PAGE):
            body = json.loads(entry.body)
            if body["kind"] == "grant.ended":
                ended_at = parse_instant(body["at"])
                ends[TargetName(body["target"])][GrantId(body["grant"])] = ended_at
            elif body["kind"] == "target.observed":
                for closed in body["data"].get("closes", ()):
                    ends[TargetName(body["target"])].pop(GrantId(closed), None)
    return ends
