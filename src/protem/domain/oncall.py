"""Who is on call: shifts, and an answer with its age.

Here: values, and the names of the groups that they make. Not here: where answers come from
(``ports.rota``), and when one is too old (settings and policy).

Invariants:
- An answer tells of shifts, not of one moment: it stays right over a change of shift while the
  rota is down.
- Only an answer puts anybody into a group of those on call; no account and no claim does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.instants import check_instant, format_instant
from protem.domain.principals import PrincipalId

ONCALL_PREFIX = "oncall:"
_SCHEDULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MAX_SHIFTS = 5_000


class ScheduleName(str):
    """``db``: how the settings call a rota's schedule.

    Raises:
        InvalidError: unless it is 1 to 63 letters, digits, dots, dashes and underscores.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check ``text`` and return it as a name."""
        if _SCHEDULE.fullmatch(text) is None:
            raise InvalidError(f"{ascii(text)[:80]} is not a valid schedule name")
        return super().__new__(cls, text)

    @property
    def group(self) -> GroupName:
        """The group of those on call by this schedule."""
        return GroupName(ONCALL_PREFIX + self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One person is on call from a moment to another, the end not included.

    Raises:
        InvalidError: when it does not end after it starts.
    """

    person: PrincipalId
    starts: datetime
    ends: datetime

    def __post_init__(self) -> None:
        if check_instant(self.starts) >= check_instant(self.ends):
            raise InvalidError("a shift ends after it starts")

    def covers(self, moment: datetime) -> bool:
        """Say whether ``moment`` is in it."""
        return self.starts <= moment < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class OncallAnswer:
    """What a rota last said of one schedule.

    Attributes:
        as_of: when it was read; its age is what policy sees.
        until: the moment up to which the shifts were asked for.
        unknown: names in the rota that lead to no account.
    """

    schedule: ScheduleName
    as_of: datetime
    until: datetime
    shifts: tuple[Shift, ...] = ()
    unknown: tuple[str, ...] = ()

    def on_call(self, moment: datetime) -> frozenset[PrincipalId]:
        """Return who is on call at ``moment``: nobody, one, or several where shifts overlap."""
        return frozenset(shift.person for shift in self.shifts if shift.covers(moment))

    def to_json(self, moment: datetime) -> dict[str, object]:
        """Return what is shown of it at ``moment``."""
        return {
            "schedule": str(self.schedule),
            "as_of": format_instant(self.as_of),
            "age_seconds": max(0, int((moment - self.as_of).total_seconds())),
            "on_call": sorted(map(str, self.on_call(moment))),
            "unknown": list(self.unknown),
        }
