"""From names in a rota to accounts.

Here: the settings' mapping, and an answer made of named shifts. Not here: where names come from.

Invariants: a name that leads nowhere puts nobody on call and is told as unknown; nobody is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from protem.domain.errors import InvalidError, RefusedError
from protem.domain.oncall import MAX_SHIFTS, OncallAnswer, ScheduleName, Shift
from protem.domain.principals import PrincipalId

MAX_UNKNOWN = 20
MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShift:
    """A shift as the source has it.

    Attributes:
        names: what the source calls the one person: address, display name, id; any may lead.
    """

    names: tuple[str, ...]
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Accounts by what rotas call them; case does not matter.

    Attributes:
        accounts: by name in lower case.
        issuer: of accounts that a rota written for Protem may name as they are; None: only those
            of ``accounts``.
    """

    accounts: Mapping[str, PrincipalId]
    issuer: str | None = None

    def find(self, names: Sequence[str]) -> PrincipalId | None:
        """Return the account of the first name that has one."""
        for name in names:
            found = self.accounts.get(name.strip().casefold())
            if found is not None:
                return found
        return next((own for name in names if (own := self._named_as_it_is(name))), None)

    def _named_as_it_is(self, name: str) -> PrincipalId | None:
        if self.issuer is None:
            return None
        try:
            if "|" in name:
                return PrincipalId.parse(name)
            return PrincipalId(issuer=self.issuer, subject=name)
        except InvalidError:
            return None


def answer_of(
    schedule: ScheduleName,
    named: Iterable[NamedShift],
    people: People,
    *,
    now: datetime,
    until: datetime,
) -> OncallAnswer:
    """Return the answer that ``named`` make, cut to what was asked.

    Raises:
        RefusedError: when there are more shifts than a rota can mean.
    """
    shifts: set[Shift] = set()
    unknown: set[str] = set()
    for one in named:
        starts, ends = max(one.starts, now), min(one.ends, until)
        if starts >= ends:
            continue
        person = people.find(one.names)
        if person is None:
            unknown.add(next((name for name in one.names if name.strip()), "?")[:MAX_NAME])
        else:
            shifts.add(Shift(person=person, starts=starts, ends=ends))
        if len(shifts) + len(unknown) > MAX_SHIFTS:
            raise RefusedError(f"schedule {schedule} has more than {MAX_SHIFTS} shifts at a time")
    return OncallAnswer(
        schedule=schedule,
        as_of=now,
        until=until,
        shifts=tuple(sorted(shifts, key=lambda shift: (shift.starts, str(shift.person)))),
        unknown=tuple(sorted(unknown)[:MAX_UNKNOWN]),
    )
