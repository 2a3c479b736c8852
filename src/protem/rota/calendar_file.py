"""A rota in a TOML file: who takes turns, single shifts, and who steps in.

Here: the file's shape and its shifts in a stretch of time. Not here: accounts (``people``).

Invariants:
- Times are by the clock of the file's time zone: a turn that begins at 09:00 does so in summer and
  in winter. A time that the clocks skip is taken as if they had not been changed yet.
- An override takes the place of the turns for as long as it lasts; single shifts stand beside it.
- The file is read anew each time, so an edit needs no restart.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from protem.domain.errors import InvalidError, RefusedError
from protem.domain.oncall import OncallAnswer, ScheduleName
from protem.domain.weekly_windows import zone_named
from protem.rota.people import NamedShift, People, answer_of

_MAX_BYTES = 1_000_000
_MAX_DAYS = 366


def _without_zone(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise ValueError("times are by the file's time_zone; write no zone after them")
    return moment


_Wall = Annotated[datetime, AfterValidator(_without_zone)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Rotation(_Table):
    people: Annotated[list[_Name], Field(min_length=1, max_length=500)]
    starts: _Wall
    days: Annotated[int, Field(ge=1, le=_MAX_DAYS)] = 7


class _Span(_Table):
    person: _Name
    starts: _Wall
    ends: _Wall


class _File(_Table):
    time_zone: str
    rotation: Annotated[list[_Rotation], Field(max_length=50)] = []
    shift: Annotated[list[_Span], Field(max_length=5_000)] = []
    override: Annotated[list[_Span], Field(max_length=5_000)] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFile:
    """``ports.rota.Rota`` over a file."""

    schedule: ScheduleName
    path: Path
    people: People

    async def shifts(self, *, now: datetime, until: datetime) -> OncallAnswer:
        """Return who is on call by the file as it is now.

        Raises:
            RefusedError: when it cannot be read, or is wrong; the message names the key.
        """
        file = await asyncio.to_thread(self._read)
        try:
            zone = zone_named(file.time_zone)
            named = list(_shifts(file, zone, now, until))
        except (InvalidError, OverflowError) as error:
            raise RefusedError(f"{self.path}: {error}") from error
        return answer_of(self.schedule, named, self.people, now=now, until=until)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _read(self) -> _File:
        try:
            with self.path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise RefusedError(f"{self.path} is longer than {_MAX_BYTES} bytes")
            return _File.model_validate(tomllib.loads(content.decode()))
        except OSError as error:
            raise RefusedError(f"{self.path} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RefusedError(f"{self.path} is not TOML: {error}") from error
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, found["loc"]))
            raise RefusedError(f"{self.path}: {where}: {found['msg']}") from error


def _shifts(file: _File, zone: ZoneInfo, now: datetime, until: datetime) -> Iterator[NamedShift]:
    overrides = [_span(one, zone) for one in file.override]
    for rotation in file.rotation:
        for turn in _turns(rotation, zone, now, until):
            yield from _outside(turn, overrides)
    yield from (_span(one, zone) for one in file.shift)
    yield from overrides


def _turns(
    rotation: _Rotation, zone: ZoneInfo, now: datetime, until: datetime
) -> Iterator[NamedShift]:
    first, at = rotation.starts.date(), rotation.starts.time()
    passed = (now.astimezone(zone).date() - first).days // rotation.days
    number = max(0, passed - 1)
    while (starts := _moment(first, number * rotation.days, at, zone)) < until:
        person = rotation.people[number % len(rotation.people)]
        ends = _moment(first, (number + 1) * rotation.days, at, zone)
        yield NamedShift(names=(person,), starts=starts, ends=ends)
        number += 1


def _moment(first: date, days: int, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(first + timedelta(days=days), at, zone).astimezone(UTC)


def _span(span: _Span, zone: ZoneInfo) -> NamedShift:
    starts = span.starts.replace(tzinfo=zone).astimezone(UTC)
    ends = span.ends.replace(tzinfo=zone).astimezone(UTC)
    if starts >= ends:
        raise InvalidError(f"the shift of {span.person} from {span.starts} ends before it starts")
    return NamedShift(names=(span.person,), starts=starts, ends=ends)


def _outside(turn: NamedShift, overrides: list[NamedShift]) -> Iterator[NamedShift]:
    """Yield what is left of a turn beside the overrides."""
    start = turn.starts
    for taken in sorted(overrides, key=lambda one: one.starts):
        if taken.ends <= start or taken.starts >= turn.ends:
            continue
        if taken.starts > start:
            yield NamedShift(names=turn.names, starts=start, ends=taken.starts)
        start = max(start, taken.ends)
    if start < turn.ends:
        yield NamedShift(names=turn.names, starts=start, ends=turn.ends)
