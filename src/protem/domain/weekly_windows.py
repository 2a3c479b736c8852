"""When something is open by the clock on a wall: ``Mon-Fri 09:00-17:00 Europe/Berlin``.

Here: parsing, whether a moment is inside, and when it opens next. Not here: holidays; a rota or a
condition in policy says those.

Invariants:
- The zone is a name of the IANA database, so that summer time is somebody else's arithmetic.
- A time that the clocks skip opens when they are past it; one that they show twice is open both
  times. A window over midnight belongs to the day on which it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from protem.domain.errors import InvalidError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,31}){0,2}")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_MINUTE = timedelta(minutes=1)
_LONGEST_GAP = timedelta(hours=26)
"""A place that moved over the date line skipped a whole day."""


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        InvalidError: when there is none of that name.
    """
    if _ZONE.fullmatch(name) is None:
        raise InvalidError(f"{ascii(name)[:60]} is no time zone; write one such as Europe/Berlin")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidError(f"there is no time zone {name}; write one such as UTC") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyWindow:
    """Some days of the week, from one time to another.

    Attributes:
        days: 0 is Monday.
        opens: minutes after midnight.
        closes: minutes after midnight, at most 24 hours; not later than ``opens`` is the day after.
    """

    days: frozenset[int]
    opens: int
    closes: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> WeeklyWindow:
        """Read ``Mon-Fri 09:00-17:00 Europe/Berlin`` or ``Mon,Wed 22:00-06:00 UTC``.

        Raises:
            InvalidError: when it is not of that form, or its zone is unknown.
        """
        parts = text.split()
        if len(parts) != 3:  # noqa: PLR2004  # days, hours, zone
            raise InvalidError('a window is written like "Mon-Fri 09:00-17:00 Europe/Berlin"')
        first, dash, last = parts[1].partition("-")
        opens, closes = _minutes(first), _minutes(last)
        if not dash or opens in (closes, _DAY):
            raise InvalidError("a window lasts from one time to another, such as 09:00-17:00")
        return cls(days=_days(parts[0]), opens=opens, closes=closes, zone=zone_named(parts[2]))

    def __str__(self) -> str:
        days = ",".join(DAYS[day] for day in sorted(self.days))
        return f"{days} {_clock(self.opens)}-{_clock(self.closes)} {self.zone.key}"

    def holds(self, moment: datetime) -> bool:
        """Say whether ``moment`` is inside."""
        local = moment.astimezone(UTC).astimezone(self.zone)  # a reading that never was is shifted
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self.opens < self.closes:
            return today in self.days and self.opens <= minute < self.closes
        return (today in self.days and minute >= self.opens) or (
            yesterday in self.days and minute < self.closes
        )

    def next_opening(self, moment: datetime) -> datetime:
        """Return the first moment after ``moment`` at which it opens, in UTC."""
        start = moment.astimezone(self.zone).date() - timedelta(days=1)
        found = [
            opening
            for ahead in range(10)
            if (day := start + timedelta(days=ahead)).weekday() in self.days
            for opening in self._openings(day)
            if opening > moment
        ]
        return min(found)

    def _openings(self, day: date) -> Iterator[datetime]:
        """Yield when it opens on ``day``: once, or twice where the clocks show that time twice."""
        wall = datetime.combine(day, time(self.opens // 60, self.opens % 60), self.zone)
        for fold in (0, 1):
            moment = wall.replace(fold=fold).astimezone(UTC)
            back = moment.astimezone(self.zone)
            if (back.date(), back.time()) == (wall.date(), wall.time()):
                yield moment
            elif fold == 1:  # skipped: this reading lies before the clocks were changed
                yield self._after_gap(moment, day)

    def _after_gap(self, moment: datetime, day: date) -> datetime:
        last = moment + _LONGEST_GAP
        while moment < last:
            moment += _MINUTE
            local = moment.astimezone(self.zone)
            if local.date() > day or local.hour * 60 + local.minute >= self.opens:
                break
        return moment


_DAY = 24 * 60


def _minutes(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidError(f"{ascii(text)[:20]} is no time of day; write 09:00")
    return _DAY if found[1] is None else int(found[1]) * 60 + int(found[2])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise InvalidError(f"{ascii(part)[:20]} are no days; write Mon-Fri or Sat,Sun")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        found |= {(begin + ahead) % 7 for ahead in range(length + 1)}
    return frozenset(found)
