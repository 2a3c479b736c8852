"""Look for entries of the audit log: newest first, by who, where, what and when.

Here: filters, pages by index, and one entry. Not here: who may look (policy's ``audit``), proofs
(the published log) and any wording.

There is no index but the entry's own place. So a call looks at ``MOST_LOOKED_AT`` entries at most
and says where to go on; a page may be short, or empty, while more follow. ``until`` is found by
halving, which relies on moments that rise with the index. They do but for moments at most
``_LATE`` apart, and for what was written while the clock was wrong: to see that, leave out the
times.

Invariants: no read of the store takes long, whatever is looked for; bytes are shown as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from protem.domain import canonical_json
from protem.domain.errors import NotFoundError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import parse_instant
from protem.ports.store import AuditEntry, Transaction
from protem.services.surroundings import Surroundings

MOST_LOOKED_AT = 50_000
_AT_ONCE = 5_000
_LATE = timedelta(minutes=5)
"""An entry may stand this far from its moment's place: some name when a long look began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """What is looked for; None is anything.

    Attributes:
        kind: a whole kind such as ``grant.ended``, or the noun of a family, ``grant``.
        since: not before this moment.
        until: not after this moment.
        before: entries of a lower index; None begins at the newest.
    """

    actor: str | None = None
    target: TargetName | None = None
    grant: GrantId | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """One entry: its place, the exact bytes that are hashed, and what they say."""

    index: int
    body: bytes
    event: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API shows."""
        return {"index": self.index, "body": self.body.decode(), "event": self.event}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """A page, newest first.

    Attributes:
        next: what to ask for as ``before``; None when there is nothing older to look at.
        size: entries in the whole log.
        looked_at: entries read for this page.
    """

    entries: Sequence[ShownEntry]
    next: int | None
    size: int
    looked_at: int


async def explore_audit(around: Surroundings, wanted: EntryFilter) -> EntryPage:
    """Return the next page of entries that match.

    Raises:
        AuditUnavailableError: when the store cannot be read.
    """
    size, end = await around.store.read(lambda view: _begin(view, wanted))
    begin, found, needles = end, [], _needles(wanted)
    over = False
    while not over and end > 0 and begin - end < MOST_LOOKED_AT:
        start = max(0, end - _AT_ONCE)
        entries = await around.store.read(_piece(start, end))
        for entry in reversed(entries):
            end = entry.index
            if not all(needle in entry.body for needle in needles):
                continue
            shown = _shown(entry)
            if _matches(shown.event, wanted):
                found.append(shown)
                if len(found) == wanted.limit:
                    return EntryPage(
                        entries=found, next=end or None, size=size, looked_at=begin - end
                    )
        end = start
        over = wanted.since is not None and _newest(entries) < wanted.since - _LATE
    following = None if over or end == 0 else end
    return EntryPage(entries=found, next=following, size=size, looked_at=begin - end)


async def view_entry(around: Surroundings, index: int) -> ShownEntry:
    """Return one entry.

    Raises:
        NotFoundError: when the log is not that long.
    """
    entries = await around.store.read(_piece(index, index + 1))
    if not entries:
        raise NotFoundError(f"there is no entry {index}")
    return _shown(entries[0])


def _piece(start: int, end: int) -> Any:
    return lambda view: view.audit.entries(start=start, limit=end - start)


def _begin(view: Transaction, wanted: EntryFilter) -> tuple[int, int]:
    """Return the size of the log, and the index below which to look."""
    size = view.audit.size()
    end = size if wanted.before is None else min(size, wanted.before)
    if wanted.until is not None:
        end = min(end, _first_after(view, size, wanted.until + _LATE))
    return size, end


def _first_after(view: Transaction, size: int, moment: datetime) -> int:
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if _newest(view.audit.entries(start=middle, limit=1)) <= moment:
            low = middle + 1
        else:
            high = middle
    return low


def _needles(wanted: EntryFilter) -> list[bytes]:
    """Return bytes that the canonical form of a match holds: looking for them costs no parsing."""
    fields = {"actor": wanted.actor, "target": wanted.target, "grant": wanted.grant}
    needles = [
        b'"%s":%s' % (name.encode(), canonical_json.encode(value))
        for name, value in fields.items()
        if value is not None
    ]
    if wanted.kind is not None:
        needles.append(b'"kind":' + canonical_json.encode(wanted.kind)[:-1])
    return needles


def _matches(event: Mapping[str, Any], wanted: EntryFilter) -> bool:
    kind = str(event.get("kind"))
    at = parse_instant(event["at"])
    return (
        wanted.actor in (None, event.get("actor"))
        and wanted.target in (None, event.get("target"))
        and wanted.grant in (None, event.get("grant"))
        and (wanted.kind is None or kind == wanted.kind or kind.startswith(wanted.kind + "."))
        and (wanted.since is None or wanted.since <= at)
        and (wanted.until is None or at <= wanted.until)
    )


def _newest(entries: Sequence[AuditEntry]) -> datetime:
    """Return the moment of the last entry of a piece, near enough the newest of it."""
    return parse_instant(json.loads(entries[-1].body)["at"])


def _shown(entry: AuditEntry) -> ShownEntry:
    return ShownEntry(index=entry.index, body=entry.body, event=json.loads(entry.body))
