"""Broken glass: access in an emergency that nobody approved, and the review that it owes.

Here: what is kept of it beside its grant, when its review is due, and what a reason must be. Not
here: who may break glass and who may review (policy), telling anybody (the alarms port).

Invariants: a review is given once, by another person than the one who broke the glass; that it is
overdue never keeps anybody from breaking glass again.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.canonical_json import JsonValue
from protem.domain.errors import ConflictError, InvalidError
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.principals import PrincipalId

LONGEST = timedelta(minutes=30)
"""How long such a grant lasts at most, unless the settings say otherwise."""
REVIEW_WITHIN = timedelta(hours=24)
"""From its end to when its review is due, unless the settings say otherwise."""
ALARM_WAIT = timedelta(seconds=5)
"""How long all channels together are waited for before access."""
FEWEST_WORDS = 2
MAX_COMMENT = 2_000
MAX_ALARM_ERROR = 200


class GlassVerdict(enum.StrEnum):
    """What the reviewer found."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassReview:
    """A verdict on one break of the glass.

    Attributes:
        reviewer_person: the person behind the reviewer.

    Raises:
        InvalidError: when the comment is empty, too long or holds NUL.
    """

    reviewer: PrincipalId
    reviewer_person: PrincipalId
    verdict: GlassVerdict
    comment: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.comment.strip() or len(self.comment) > MAX_COMMENT or "\0" in self.comment:
            raise InvalidError(f"a review says why, in 1 to {MAX_COMMENT} characters")

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is logged."""
        return {
            "reviewer": str(self.reviewer),
            "person": str(self.reviewer_person),
            "verdict": self.verdict,
            "comment": self.comment,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenGlass:
    """One break of the glass; its grant tells the rest.

    Attributes:
        person: who broke it.
        review_within: from the grant's end to when the review is due.
    """

    grant_id: GrantId
    person: PrincipalId
    target: TargetName
    broken_at: datetime
    review_within: timedelta
    review: GlassReview | None = None

    def due_at(self, grant: Grant) -> datetime:
        """Return when the review is due: counted from the end, or from what is planned as such."""
        ends = grant.ended_at or grant.expires_at or self.broken_at
        return ends + self.review_within

    def is_overdue(self, grant: Grant, now: datetime) -> bool:
        """Say whether nobody has reviewed it in time."""
        return self.review is None and now >= self.due_at(grant)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmOutcome:
    """What came of telling one channel.

    Attributes:
        error: why it did not take the notice; empty when it did.
    """

    channel: str
    delivered: bool
    error: str = ""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is logged and shown."""
        return {"channel": self.channel, "delivered": self.delivered, "error": self.error}


def failed_alarm(channel: str, error: str) -> AlarmOutcome:
    """Return that ``channel`` was not reached, with a bounded reason."""
    return AlarmOutcome(channel=channel, delivered=False, error=error[:MAX_ALARM_ERROR])


def outcomes_json(outcomes: Sequence[AlarmOutcome]) -> list[JsonValue]:
    """Return all outcomes in the form that is logged."""
    return [outcome.to_json() for outcome in outcomes]


def check_reason(reason: str) -> str:
    """Return ``reason``.

    Raises:
        InvalidError: when it is not at least two words: whoever is alarmed reads it.
    """
    if len(reason.split()) < FEWEST_WORDS:
        raise InvalidError(
            "breaking the glass needs a reason of a few words", next_step='--why "what happens"'
        )
    return reason


def reviewed(broken: BrokenGlass, review: GlassReview) -> BrokenGlass:
    """Give the one review.

    Raises:
        ConflictError: when there is one, or the reviewer is who broke the glass.
    """
    if broken.review is not None:
        raise ConflictError(f"{broken.grant_id} was reviewed already")
    if broken.person in (review.reviewer, review.reviewer_person):
        raise ConflictError("nobody reviews their own break of the glass")
    return replace(broken, review=review)
