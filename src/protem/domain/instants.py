"""One spelling of a moment for programs, RFC 3339, UTC, microseconds, and one for people.

Here: format, parse and the check that a datetime knows its zone. Not here: reading a clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

from protem.domain.errors import InvalidError


def format_instant(moment: datetime) -> str:
    """Write ``moment`` as ``2026-01-31T12:00:00.000000Z``; always 27 characters, so it sorts."""
    utc = check_instant(moment)
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_start(moment: datetime) -> str:
    """Write when something begins for people anywhere: ``Tue 2026-12-01 22:00:00 UTC``."""
    return check_instant(moment).strftime("%a %Y-%m-%d %H:%M:%S UTC")


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 moment of any zone.

    Raises:
        InvalidError: when it is not one, or names no zone.
    """
    try:
        return check_instant(datetime.fromisoformat(text))
    except (TypeError, ValueError, OverflowError) as error:  # years that UTC has not
        raise InvalidError(
            "a time is RFC 3339 with a zone, such as 2026-01-31T12:00:00Z"
        ) from error


def check_instant(moment: datetime) -> datetime:
    """Return ``moment`` in UTC.

    Raises:
        InvalidError: when it has no zone.
    """
    if moment.tzinfo is None:
        raise InvalidError("a time without a zone is not a moment")
    return moment.astimezone(UTC)
