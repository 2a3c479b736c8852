"""When something shall begin, as people write it: ``22:00``, ``2026-12-01 22:00 Europe/Berlin``.

Here: reading such a text as a moment, by the wall clock of this machine or of a place. Not here:
how far ahead a start may be (the server says), and waiting for it.

Invariants: a bare time of day is the next one to come; a time that a change of clocks leaves out,
or has twice, is refused and not guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from protem.domain.errors import InvalidError

_FORM = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d)[T ])?(?P<time>\d\d?:\d\d(?::\d\d)?)"
    r"(?P<offset>Z|[+-]\d\d:\d\d)?(?: (?P<zone>[A-Za-z][A-Za-z0-9_+/-]{0,63}))?",
    re.ASCII,
)
_EXAMPLE = 'write for example 22:00, "22:00 Europe/Berlin" or 2026-12-01T22:00+01:00'


def parse_start(text: str, now: datetime, here: tzinfo | None = None) -> datetime:
    """Return the moment that ``text`` names, in UTC.

    Args:
        text: a time of day, or a day and a time; with an offset, the name of a zone, or neither.
        now: the present, with a zone.
        here: the zone of this machine; None: as its system has it.

    Raises:
        InvalidError: it is no such text, there is no such time, or there are two of them.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or (found["offset"] and found["zone"]):
        raise InvalidError(f"{ascii(text)[:60]} is no start; {_EXAMPLE}")
    if found["offset"]:
        zone: tzinfo | None = _offset(found["offset"])
    else:
        zone = _zone(found["zone"]) if found["zone"] else here
    time = (
        found["time"].rjust(5, "0")
        if found["time"].count(":") == 1
        else found["time"].rjust(8, "0")
    )
    try:
        if found["day"]:
            return _moment(datetime.fromisoformat(f"{found['day']}T{time}"), zone)
        today = now.astimezone(zone).date()
        first = _moment(datetime.fromisoformat(f"{today}T{time}"), zone)
        if first > now:
            return first
        tomorrow = today + timedelta(days=1)
        return _moment(datetime.fromisoformat(f"{tomorrow}T{time}"), zone)
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"{ascii(text)[:60]} is no time; {_EXAMPLE}") from error


def _moment(wall: datetime, zone: tzinfo | None) -> datetime:
    """Return when the wall clock shows this, if it does so once."""
    both = [_in(wall.replace(fold=fold), zone) for fold in (0, 1)]
    if both[0] == both[1]:
        return both[0]
    shows = wall.strftime("%Y-%m-%d %H:%M")
    if both[0].astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        raise InvalidError(f"{shows} is there twice, since clocks change; give an offset: +01:00")
    raise InvalidError(f"there is no {shows} there, since clocks change; give another time")


def _in(wall: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment in UTC; without a zone, as this machine's system has it."""
    return (wall if zone is None else wall.replace(tzinfo=zone)).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidError(
            f"there is no time zone {name}; write for example Europe/Berlin"
        ) from error


def _offset(text: str) -> tzinfo:
    zone = datetime.fromisoformat(f"2000-01-01T00:00{text}").tzinfo
    return UTC if zone is None else zone
