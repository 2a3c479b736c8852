"""One person's yes or no to one exact request, and when there are enough.

Here: the approval and the quorum rule. Not here: who is eligible; policy answers that at the
moment of activation, and only eligible approvals are passed in.

Invariants (law 6):
- An approval counts only for the digest that it names.
- People count, not accounts: an agent's yes is its person's, and one person counts once.
- Nobody counts for their own request.
- A stage is open once every earlier one is met by other people than it needs itself.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from protem.domain.canonical_json import JsonValue
from protem.domain.decisions import ApprovalRequirement, Signing
from protem.domain.identifiers import GrantId
from protem.domain.instants import format_instant
from protem.domain.principals import Principal, PrincipalId


class Verdict(enum.StrEnum):
    """What the reviewer said."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A reviewer's verdict on one revision.

    Attributes:
        digest: of the revision that the reviewer saw.
        signature: the reviewer's own signature over the digest, where policy asks for one.
        reviewer_person: the person behind an agent that reviews; None: the reviewer itself.
    """

    grant_id: GrantId
    revision: int
    digest: str
    reviewer: PrincipalId
    verdict: Verdict
    at: datetime
    comment: str = ""
    signature: str | None = None
    reviewer_person: PrincipalId | None = None

    @property
    def person(self) -> PrincipalId:
        """Whose verdict this is: one person has one, and none on their own request (law 6)."""
        return self.reviewer_person or self.reviewer

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is logged, and carried in an order."""
        return {
            "id": self.grant_id,
            "revision": self.revision,
            "digest": self.digest,
            "reviewer": str(self.reviewer),
            "verdict": self.verdict,
            "at": format_instant(self.at),
            "comment": self.comment,
            "signature": self.signature,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewProgress:
    """How far a request is on its way through the stages.

    Attributes:
        stage: the open one: the first that is not met; None when all are.
        stages: all there are, in order.
        missing: what the open stage still asks for; each count is what is left.
        later: what later stages ask for.
    """

    stage: int | None
    stages: tuple[int, ...]
    missing: tuple[ApprovalRequirement, ...] = ()
    later: tuple[ApprovalRequirement, ...] = ()

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is shown beside a request."""
        return {
            "stage": self.stage,
            "stages": list(self.stages),
            "asked_now": [need.to_json() for need in self.missing],
            "asked_later": [need.to_json() for need in self.later],
        }


def is_quorate(
    requirements: Sequence[ApprovalRequirement],
    approvers: Iterable[Principal],
    requester: Principal,
    signed: Mapping[PrincipalId, Signing] = MappingProxyType({}),
) -> bool:
    """Say whether ``approvers``, all eligible now, meet every requirement of every stage.

    Each person fills at most one place, so "one from A and one from B" takes two people.

    Args:
        requirements: what is to be met.
        approvers: who said yes.
        requester: who never counts.
        signed: by person, how their yes is signed as verified now; who is absent did not sign.
    """
    return review_progress(requirements, approvers, requester, signed).stage is None


def review_progress(
    requirements: Sequence[ApprovalRequirement],
    approvers: Iterable[Principal],
    requester: Principal,
    signed: Mapping[PrincipalId, Signing] = MappingProxyType({}),
) -> ReviewProgress:
    """Return which stage is open when ``approvers``, all eligible now, have said yes."""
    people = {approver.person: approver for approver in approvers}
    people.pop(requester.person, None)
    stages = tuple(sorted({need.stage for need in requirements}))
    filled: dict[int, PrincipalId] = {}
    needs = sorted(requirements, key=lambda need: need.stage)
    places = [
        (
            need,
            tuple(
                person
                for person, who in people.items()
                if need.admits(who) and need.is_signed_enough(signed.get(person))
            ),
        )
        for need in needs
        for _ in range(need.count)
    ]
    fitting = [who for _, who in places]
    for stage in stages:
        mine = [at for at, (need, _) in enumerate(places) if need.stage == stage]
        empty = [at for at in mine if not _seat(at, fitting, filled, set())]
        if empty:
            return ReviewProgress(
                stage=stage,
                stages=stages,
                missing=_left([places[at][0] for at in empty]),
                later=tuple(need for need in needs if need.stage > stage),
            )
    return ReviewProgress(stage=None, stages=stages)


def is_their_turn(
    requirements: Sequence[ApprovalRequirement],
    approvers: Sequence[Principal],
    requester: Principal,
    reviewer: Principal,
    signed: Mapping[PrincipalId, Signing] = MappingProxyType({}),
) -> bool:
    """Say whether a yes of ``reviewer`` may be taken now, given those of ``approvers``.

    It may when it fills a place of the open stage. It may not when it could count for a later
    stage only: a yes given before its stage is open would skip that stage's turn. One that fits no
    place at all may be taken; it counts for nothing.
    """
    before = review_progress(requirements, approvers, requester, signed)
    after = review_progress(requirements, [*approvers, reviewer], requester, signed)
    if before.stage is None or after.stage != before.stage:
        return True
    if _wanted(after) < _wanted(before):
        return True
    return not any(need.admits(reviewer) for need in before.later)


def _wanted(progress: ReviewProgress) -> int:
    return sum(need.count for need in progress.missing)


def _left(empty: Sequence[ApprovalRequirement]) -> tuple[ApprovalRequirement, ...]:
    """Return each requirement of the empty places once, with how many places are empty."""
    counts: dict[ApprovalRequirement, int] = {}
    for need in empty:
        counts[need] = counts.get(need, 0) + 1
    return tuple(replace(need, count=count) for need, count in counts.items())


def _seat(
    place: int,
    places: Sequence[Sequence[PrincipalId]],
    filled: dict[int, PrincipalId],
    tried: set[PrincipalId],
) -> bool:
    """Fill ``place``, moving people already seated if need be (augmenting path)."""
    for person in places[place]:
        if person in tried:
            continue
        tried.add(person)
        taken = next((at for at, who in filled.items() if who == person), None)
        if taken is None or _seat(taken, places, filled, tried):
            filled[place] = person
            return True
    return False
