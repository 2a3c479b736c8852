"""One person's yes or no to one exact request, and when there are enough.

Here: the approval and the quorum rule. Not here: who is eligible; policy answers that at the
moment of activation, and only eligible approvals are passed in.

Invariants (law 6):
- An approval counts only for the digest that it names.
- People count, not accounts: an agent's yes is its person's, and one person counts once.
- Nobody counts for their own request.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from protem.domain.canonical_json import JsonValue
from protem.domain.decisions import ApprovalRequirement, Signing
from protem.domain.identifiers import GrantId, GroupName
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


def is_quorate(
    requirements: Sequence[ApprovalRequirement],
    approvers: Iterable[Principal],
    requester: Principal,
    signed: Mapping[PrincipalId, Signing] = MappingProxyType({}),
) -> bool:
    """Say whether ``approvers``, all eligible now, meet every requirement.

    Each person fills at most one place, so "one from A and one from B" takes two people.

    Args:
        requirements: what is to be met.
        approvers: who said yes.
        requester: who never counts.
        signed: by person, how their yes is signed as verified now; who is absent did not sign.
    """
    people = {approver.person: approver for approver in approvers}
    people.pop(requester.person, None)
    places = [
        frozenset(
            person
            for person, approver in people.items()
            if may_fill(need, approver.groups, signed.get(person))
        )
        for need in requirements
        for _ in range(need.count)
    ]
    filled: dict[int, PrincipalId] = {}
    return all(_seat(place, places, filled, set()) for place in range(len(places)))


def may_fill(
    need: ApprovalRequirement, groups: frozenset[GroupName], signed: Signing | None
) -> bool:
    """Say whether a member of ``groups``, whose yes is signed so, may fill a place of ``need``."""
    if need.groups and not need.groups & groups:
        return False
    return need.signed is None or (signed is not None and signed.satisfies(need.signed))


def _seat(
    place: int,
    places: Sequence[frozenset[PrincipalId]],
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
