"""How people write lengths of time: ``30m``, ``1h30m``, ``45s``, ``2d``.

Here: parse and format. Not here: ``until 17:00``; that needs a clock.

Invariants: positive, whole seconds, at most ``LONGEST``; a bare number is refused because nobody
agrees on its unit.
"""

from __future__ import annotations

import re
from datetime import timedelta

from protem.domain.errors import InvalidError

LONGEST = timedelta(days=30)
_PART = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,7})s)?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the length that ``text`` names.

    Raises:
        InvalidError: for anything but digits with d, h, m, s in that order; zero; over 30 days.
    """
    found = _PART.fullmatch(text.strip())
    if not text.strip() or found is None:
        raise InvalidError(f"{ascii(text)[:40]} is not a duration; write for example 30m or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return check_duration(length)


def check_duration(length: timedelta) -> timedelta:
    """Return ``length`` if it is a usable one.

    Raises:
        InvalidError: unless it is whole seconds, at least 1 s and at most 30 days.
    """
    if length < timedelta(seconds=1) or length > LONGEST or length.microseconds:
        raise InvalidError("a duration is whole seconds, from 1s to 30d")
    return length


def format_duration(length: timedelta) -> str:
    """Write ``length`` the way people do: ``1h30m``; never negative."""
    left = max(0, int(length.total_seconds()))
    if left == 0:
        return "0s"
    text = ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text
