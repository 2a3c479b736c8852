"""Standing in for somebody who is away: until a moment, for all of their groups or for one.

Here: one delegation and when it counts. Not here: which groups the delegator has; they are looked
up at the moment of the decision, so that nobody lends what they have lost.

Invariants:
- It ends by itself, at most ``LONGEST_DELEGATION`` after it was made.
- It never helps a request of the delegator, or of the delegate.
- What was lent cannot be lent on: only a delegator's own groups are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain.canonical_json import JsonValue
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId, GroupName
from protem.domain.instants import format_instant
from protem.domain.principals import PrincipalId

LONGEST_DELEGATION = timedelta(days=90)


class DelegationId(GrantId):
    """How a delegation is called: the form of a ``GrantId``."""

    __slots__ = ()
    what = "delegation id (26 lower-case letters and digits)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One person stands in for another.

    Attributes:
        group: the one group that is lent; None lends all, and stands in where the delegator is
            asked by name, too.
        ended_at: when somebody ended it early.

    Raises:
        InvalidError: when it does not end after it begins, or lasts too long.
    """

    id: DelegationId
    delegator: PrincipalId
    delegate: PrincipalId
    made_at: datetime
    until: datetime
    group: GroupName | None = None
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        if not timedelta(0) < self.until - self.made_at <= LONGEST_DELEGATION:
            days = LONGEST_DELEGATION.days
            raise InvalidError(f"a delegation ends in the future, at most {days} days from now")

    def counts_at(self, moment: datetime) -> bool:
        """Say whether it is in force; at its very end it no longer is."""
        return self.made_at <= moment < (self.ended_at or self.until)

    def lends(self, groups: frozenset[GroupName]) -> frozenset[GroupName]:
        """Return what it lends of the delegator's ``groups``."""
        return groups if self.group is None else groups & {self.group}

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is logged and shown."""
        return {
            "id": self.id,
            "delegator": str(self.delegator),
            "delegate": str(self.delegate),
            "group": self.group,
            "made_at": format_instant(self.made_at),
            "until": format_instant(self.until),
            "ended_at": None if self.ended_at is None else format_instant(self.ended_at),
        }
