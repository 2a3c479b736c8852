"""What people are told outside of Protem, the same on every channel.

Here: the notice as a value. Not here: who gets it by which channel, its look there, or delivery.

Invariants: a notice holds no secret and no value from a target's rows; every text in it may be
hostile and is escaped by the channel that shows it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from protem.domain.identifiers import GrantId, GroupName, TargetName
from protem.domain.principals import PrincipalId


class NoticeKind(enum.StrEnum):
    """Why somebody is told."""

    REVIEW_WANTED = "review_wanted"
    DECIDED = "decided"
    BREAK_GLASS = "break_glass"
    REVIEW_DUE = "review_due"
    ENDED = "ended"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell.

    Attributes:
        id: the same at every delivery of it, so that a receiver can drop repeats.
        groups: who should see it; empty: everyone who watches.
        people: persons who should see it whatever their groups.
        digest: of the revision that a reviewer would answer, when there is one.
        title: one line.
        lines: label and text, in order; what the page and the terminal show, too.
        path: where to look and to answer, below the public address.
    """

    id: str
    kind: NoticeKind
    at: datetime
    title: str
    lines: tuple[tuple[str, str], ...] = ()
    grant_id: GrantId | None = None
    target: TargetName | None = None
    digest: str | None = None
    groups: frozenset[GroupName] = frozenset()
    people: frozenset[PrincipalId] = frozenset()
    path: str = "/"

    @property
    def is_alarm(self) -> bool:
        """Whether it goes to every channel, at once, whatever each asked for."""
        return self.kind is NoticeKind.BREAK_GLASS
