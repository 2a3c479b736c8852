"""Moments and lengths as the database keeps them: whole microseconds, moments from 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from protem.domain.errors import InvalidError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_moment(moment: datetime) -> int:
    """Return ``moment`` as a number.

    Raises:
        InvalidError: when it has no zone.
    """
    try:
        return (moment - _EPOCH) // _MICROSECOND
    except TypeError as error:
        raise InvalidError("a time without a zone is not a moment") from error


def from_optional(moment: datetime | None) -> int | None:
    """Return ``moment`` as a number, None as None."""
    return None if moment is None else from_moment(moment)


def to_moment(number: int) -> datetime:
    """Read ``from_moment`` back, in UTC."""
    return _EPOCH + timedelta(microseconds=number)


def to_optional(number: int | None) -> datetime | None:
    """Read ``from_optional`` back."""
    return None if number is None else _EPOCH + timedelta(microseconds=number)


def from_length(length: timedelta) -> int:
    """Return ``length`` as a number."""
    return length // _MICROSECOND


def to_length(number: int) -> timedelta:
    """Read ``from_length`` back."""
    return timedelta(microseconds=number)
