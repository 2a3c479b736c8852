"""Whose yes counts now, as whom, and how far that is: the same for a page and for an activation.

Here: eligibility by policy, standing in for others, age, and the stages. Not here: recording a
verdict (review_request), or what follows when there are enough (activate_grant).

Invariants:
- Everything is of this moment: groups, rules, delegations, the age of each yes.
- A delegate speaks by their own right where they have one. Where they have none they fill one place
  from the delegator's authority, which speaks once: by its owner if they answered, else by the
  first delegate who did.
- A delegation helps neither the delegator's own request nor the delegate's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from protem.domain.approvals import Approval, ReviewProgress, Verdict, review_progress
from protem.domain.decisions import ApprovalRequirement, Decision, Outcome, PolicyAction, Signing
from protem.domain.delegations import Delegation
from protem.domain.errors import NotFoundError
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.requests import RequestRevision
from protem.ports.store import Transaction
from protem.services.ask_policy import ask_policy
from protem.services.check_signatures import signed_now
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Somebody who reviews, as policy is asked about them.

    Attributes:
        principal: with the groups that delegations lend.
        answer: policy's, whether they may.
        through: for whom they stand in; empty where they speak by their own right.
        spoken_for: delegators of theirs whose authority has spoken already.
    """

    principal: Principal
    answer: Decision
    through: frozenset[PrincipalId] = frozenset()
    spoken_for: frozenset[PrincipalId] = frozenset()

    @property
    def may(self) -> bool:
        """Whether policy lets them review."""
        return self.answer.outcome is Outcome.ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The approvals that count, and who gave them, in the same order.

    Attributes:
        spoken: every person whose authority has been used.
        signed: by person, how theirs is signed, as verified now.
    """

    approvals: tuple[Approval, ...] = ()
    approvers: tuple[Principal, ...] = ()
    spoken: frozenset[PrincipalId] = frozenset()
    signed: Mapping[PrincipalId, Signing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCase:
    """One revision under review at one moment."""

    around: Surroundings
    transaction: Transaction
    revision: RequestRevision
    requester: Principal
    decision: Decision
    at: datetime

    def count(self) -> Counted:
        """Return the approvals that count now."""
        given = [
            (approval, known)
            for approval in self._approvals()
            if (known := self._known(approval.reviewer)) is not None
            and known.person != self.requester.person
        ]
        spoken = {known.person for _, known in given}
        approvals: list[Approval] = []
        approvers: list[Principal] = []
        for approval, known in given:
            reviewer = self.reviewer(known, frozenset(spoken))
            if reviewer.may:
                spoken |= reviewer.through
                approvals.append(approval)
                approvers.append(reviewer.principal)
        return Counted(
            approvals=tuple(approvals),
            approvers=tuple(approvers),
            spoken=frozenset(spoken),
            signed=signed_now(self.around, self.transaction, approvals),
        )

    def progress(self, counted: Counted) -> ReviewProgress:
        """Return which stage is open."""
        return review_progress(
            self.decision.approvals, counted.approvers, self.requester, counted.signed
        )

    def reviewer(
        self, principal: Principal, spoken: frozenset[PrincipalId] = frozenset()
    ) -> Reviewer:
        """Return ``principal`` as who they may review, by their own right or by a delegation.

        Args:
            principal: as looked up now.
            spoken: persons whose authority has been used.
        """
        own = Reviewer(principal=principal, answer=self._ask(principal))
        if own.may and self._has_a_place(principal, self.decision.approvals):
            return own
        lent, used_up = self._lent_to(principal, spoken)
        if not lent:
            return replace(own, spoken_for=used_up)
        wider = replace(
            principal,
            groups=principal.groups.union(
                *(one.lends(delegator.groups) for one, delegator in lent)
            ),
            speaks_for=frozenset(delegator.person for one, delegator in lent if one.group is None),
        )
        found = Reviewer(
            principal=wider,
            answer=self._ask(wider),
            through=frozenset(delegator.person for _, delegator in lent),
            spoken_for=used_up,
        )
        return found if found.may else replace(own, spoken_for=used_up)

    def _approvals(self) -> Sequence[Approval]:
        revision, lasts = self.revision, self.decision.approval_lasts
        return [
            approval
            for approval in self.transaction.approvals.of(revision.grant_id, revision.number)
            if approval.verdict is Verdict.APPROVE
            and approval.digest == revision.digest
            and (lasts is None or self.at < approval.at + lasts)
        ]

    def _lent_to(
        self, principal: Principal, spoken: frozenset[PrincipalId]
    ) -> tuple[list[tuple[Delegation, Principal]], frozenset[PrincipalId]]:
        """Return the delegations that help here with their delegators, and whose help is used."""
        found: list[tuple[Delegation, Principal]] = []
        used_up = set()
        for name in {principal.id, principal.person}:
            for delegation in self.transaction.delegations.to(name, at=self.at):
                delegator = self._known(delegation.delegator)
                if delegator is None or delegator.kind is not PrincipalKind.PERSON:
                    continue
                if delegator.person in (self.requester.person, principal.person):
                    continue
                if delegator.person in spoken:
                    used_up.add(delegator.person)
                else:
                    found.append((delegation, delegator))
        return found, frozenset(used_up)

    def _ask(self, principal: Principal) -> Decision:
        return ask_policy(
            self.around,
            PolicyAction.APPROVE,
            self.revision,
            principal=principal,
            at=self.at,
            requester=self.requester,
        )

    def _known(self, principal_id: PrincipalId) -> Principal | None:
        try:
            return self.around.identity.lookup(self.transaction, principal_id)
        except NotFoundError:
            return None

    @staticmethod
    def _has_a_place(principal: Principal, needs: Sequence[ApprovalRequirement]) -> bool:
        return not needs or any(need.admits(principal) for need in needs)


def usable_until(
    around: Surroundings,
    revision: RequestRevision,
    decision: Decision,
    approvals: Sequence[Approval],
    now: datetime,
) -> datetime:
    """Return when an approval that is whole now is given up, unless it is used.

    Where no rule says how long a yes counts, the wait for a later start does not count.
    """
    if decision.approval_lasts is None:
        return revision.begins(now) + around.limits.approval_lapses_after
    return min((given.at for given in approvals), default=now) + decision.approval_lasts
