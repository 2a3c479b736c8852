"""A rota in an iCalendar feed (RFC 5545), from a server or a file.

Here: the events in a stretch of time, recurring ones unfolded, and the names that may lead to an
account: attendees' addresses, and the title where there is at most one of them. Not here:
accounts (``people``).

Invariants: an event that was cancelled or declined puts nobody on call; a rule that repeats more
often than daily is refused, since unfolding it may not end; a time without a zone is by the
settings' zone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]  # it ships no types

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.oncall import OncallAnswer, ScheduleName
from protem.rota.people import NamedShift, People, answer_of
from protem.rota.web_source import MAX_BYTES, WebSource

_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
_MAX_EVENTS = 10_000
_UNFOLD_WITHIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IcsFeed:
    """``ports.rota.Rota`` over a calendar.

    Attributes:
        address: an https URL, or a path.
        zone: of times that name none.
        web: how a URL is read; None for a path.
    """

    schedule: ScheduleName
    address: str | Path
    people: People
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    web: WebSource | None = None

    async def shifts(self, *, now: datetime, until: datetime) -> OncallAnswer:
        """Return who is on call by the calendar as it is now.

        Raises:
            RetryLaterError: its server does not answer, or unfolding takes too long.
            RefusedError: it cannot be read, or is no calendar.
        """
        if self.web is not None:
            content = await self.web.get(str(self.address))
        else:
            content = await asyncio.to_thread(self._read_file)
        try:
            async with asyncio.timeout(_UNFOLD_WITHIN_SECONDS):
                named = await asyncio.to_thread(self._named, content, now, until)
        except TimeoutError as error:
            raise RetryLaterError(f"the calendar of {self.schedule} takes too long") from error
        return answer_of(self.schedule, named, self.people, now=now, until=until)

    async def close(self) -> None:
        """Let go of connections."""
        if self.web is not None:
            await self.web.close()

    def _read_file(self) -> bytes:
        try:
            with Path(self.address).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise RefusedError(f"{self.address} cannot be read: {error.strerror}") from error
        if len(content) > MAX_BYTES:
            raise RefusedError(f"{self.address} is longer than {MAX_BYTES} bytes")
        return content

    def _named(self, content: bytes, now: datetime, until: datetime) -> list[NamedShift]:
        try:
            calendar = icalendar.Calendar.from_ical(content)
            _check(calendar)
            # Looked for from further back: an event without a zone may have begun before by ours.
            found = recurring_ical_events.of(calendar).between(
                (now - timedelta(days=1)).astimezone(UTC),
                (until + timedelta(days=1)).astimezone(UTC),
            )
            return [shift for event in found for shift in self._shifts_of(event)]
        except RefusedError:
            raise
        except Exception as error:
            raise RefusedError(
                f"the calendar of schedule {self.schedule} cannot be read:"
                f" {type(error).__name__}: {str(error)[:200]}"
            ) from error

    def _shifts_of(self, event: Any) -> Iterator[NamedShift]:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            return
        starts, ends = self._moment(event.start), self._moment(event.end)
        if starts < ends:
            for names in _people_of(event):
                yield NamedShift(names=names, starts=starts, ends=ends)

    def _moment(self, value: date | datetime) -> datetime:
        if not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if value.tzinfo is None:
            value = value.replace(tzinfo=self.zone)
        return value.astimezone(UTC)


def _check(calendar: Any) -> None:
    events = calendar.walk("VEVENT")
    if len(events) > _MAX_EVENTS:
        raise RefusedError(f"the calendar has more than {_MAX_EVENTS} events")
    for event in events:
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if set(map(str, rule.get("FREQ", []))) & _TOO_OFTEN or rule.get("BYSECOND"):
                raise RefusedError("the calendar has an event that repeats more often than daily")


def _people_of(event: Any) -> list[tuple[str, ...]]:
    """Return the names of each: attendees who did not decline; the title, if one or none."""
    found = event.get("ATTENDEE", [])
    invited = found if isinstance(found, list) else [found]
    coming = [
        _address(attendee)
        for attendee in invited
        if str(attendee.params.get("PARTSTAT", "")).upper() != "DECLINED"
    ]
    summary = str(event.get("SUMMARY", "")).strip()
    if len(coming) > 1:
        return [(address,) for address in coming]
    if invited and not coming:
        return []
    names = tuple(name for name in (*coming, summary) if name)
    return [names] if names else []


def _address(value: Any) -> str:
    text = str(value)
    return text[len("mailto:") :] if text.lower().startswith("mailto:") else text
