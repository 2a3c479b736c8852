"""What policy is asked, and what it answers.

Here: the question and the decision as values; the request page, the dry run, the audit entry and
the activation all use this one object. Not here: how rules are written or evaluated (policy).

Invariants: a decision without a satisfied rule is a denial; a rule that failed to evaluate makes
the decision a denial whatever else allowed it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from protem.domain.canonical_json import JsonValue
from protem.domain.errors import DeniedError, InvalidError
from protem.domain.evidence import EvidenceKind, Exhibit
from protem.domain.identifiers import GroupName
from protem.domain.plans import Trait
from protem.domain.principals import Principal, PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.domain.targets import Target


class PolicyAction(enum.StrEnum):
    """What policy can be asked about."""

    REQUEST = "request"
    AUTO_APPROVE = "auto_approve"
    APPROVE = "approve"
    EXTEND = "extend"
    REVOKE = "revoke"
    BREAK_GLASS = "break_glass"
    AUDIT = "audit"
    ADMINISTER = "administer"


class Outcome(enum.StrEnum):
    """The three answers."""

    ALLOWED = "allowed"
    NEEDS_APPROVAL = "needs_approval"
    DENIED = "denied"


class RuleStatus(enum.StrEnum):
    """How one rule came out."""

    SATISFIED = "satisfied"
    UNSATISFIED = "unsatisfied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFinding:
    """One rule's part in a decision.

    Attributes:
        rule: the rule's id.
        source: ``file:line`` of the rule, for the person who must change or satisfy it.
        message: what it says, or what is missing.
        next_step: words for the command line that would satisfy it, such as ``--ticket ID``.
    """

    rule: str
    source: str
    status: RuleStatus
    message: str
    next_step: str | None = None


class Signing(enum.StrEnum):
    """How strongly an approval is signed; the later in this list, the stronger."""

    REQUIRED = "required"
    USER_VERIFIED = "user_verified"

    def satisfies(self, wanted: Signing | None) -> bool:
        """Say whether an approval signed so fills a place that asks for ``wanted``."""
        return wanted is not Signing.USER_VERIFIED or self is Signing.USER_VERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequirement:
    """``count`` distinct people, each in one of ``groups`` or among ``people``.

    Where both are empty, anyone who may approve.

    Attributes:
        stage: asked once all requirements of earlier stages are met.
        people: named one by one, such as the requester's manager.
        signed: each with a signature by a key of their own, at least as strong as this.
    """

    count: int
    groups: frozenset[GroupName] = frozenset()
    rule: str = ""
    stage: int = 1
    people: frozenset[PrincipalId] = frozenset()
    signed: Signing | None = None

    def admits(self, approver: Principal) -> bool:
        """Say whether ``approver`` may fill a place here, if signed enough."""
        if not self.groups and not self.people:
            return True
        speaks_as = approver.speaks_for | {approver.person, approver.id}
        return bool(self.groups & approver.groups or self.people & speaks_as)

    def is_signed_enough(self, signed: Signing | None) -> bool:
        """Say whether a yes that is signed so, or not at all, may fill a place here."""
        return self.signed is None or (signed is not None and signed.satisfies(self.signed))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form in a decision; later fields only where they say something."""
        form: dict[str, JsonValue] = {
            "count": self.count,
            "groups": sorted(self.groups),
            "rule": self.rule,
        }
        if self.stage != 1:
            form["stage"] = self.stage
        if self.people:
            form["people"] = sorted(map(str, self.people))
        if self.signed is not None:
            form["signed"] = True
        if self.signed is Signing.USER_VERIFIED:
            form["user_verified"] = True
        return form

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> ApprovalRequirement:
        """Read ``to_json`` back.

        Raises:
            InvalidError: when it is none.
        """
        count, groups = form.get("count"), form.get("groups")
        rule, signed = form.get("rule"), form.get("signed", False)
        stage, people = form.get("stage", 1), form.get("people", [])
        whole = isinstance(count, int) and isinstance(groups, list) and isinstance(rule, str)
        staged = isinstance(stage, int) and isinstance(people, list)
        if not whole or not staged or signed not in (False, True):
            raise InvalidError("this is no requirement of a decision")
        strength = Signing.USER_VERIFIED if form.get("user_verified") else Signing.REQUIRED
        return cls(
            count=int(str(count)),
            groups=frozenset(GroupName(str(name)) for name in groups or ()),
            rule=str(rule),
            stage=stage,
            people=frozenset(PrincipalId.parse(str(name)) for name in people),
            signed=strength if signed else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything policy may look at.

    Attributes:
        requester: for ``approve`` and ``revoke``: whose request it is; else None.
        duration: asked; for ``extend``, the total from activation to the new expiry.
        tags: marks such as ``pii`` that the scope touches at the target.
        at: the moment of the question, UTC.
        start: when the access asked for would begin; None: at once.
        exhibits: what the target said of it; None asks what would be said if it said all.
    """

    action: PolicyAction
    principal: Principal
    at: datetime
    target: Target | None = None
    scope: Scope = Scope()  # noqa: RUF009  # immutable
    traits: frozenset[Trait] = frozenset()
    tags: frozenset[str] = frozenset()
    program: str = ""
    profile: str | None = None
    duration: timedelta | None = None
    reason: str = ""
    ticket: str = ""
    requester: Principal | None = None
    start: datetime | None = None
    exhibits: tuple[Exhibit, ...] | None = ()

    @property
    def starts_at(self) -> datetime:
        """The moment at which the access asked for would begin."""
        return self.start or self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Policy's answer.

    Attributes:
        approvals: all of these must be met when the outcome is ``needs_approval``.
        longest: the ceiling on duration that the deciding rules set, if any.
        approval_lasts: how long each yes counts after it was given, where a rule says so.
        policy_digest: which policy set decided.
        evidence: what the request must carry; a request that lacks some of it is denied.
    """

    outcome: Outcome
    findings: tuple[RuleFinding, ...] = ()
    approvals: tuple[ApprovalRequirement, ...] = ()
    longest: timedelta | None = None
    policy_digest: str = ""
    approval_lasts: timedelta | None = None
    evidence: frozenset[EvidenceKind] = frozenset()

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is logged and shown."""
        lasting: dict[str, JsonValue] = {}
        if self.approval_lasts is not None:
            lasting["approval_lasts_seconds"] = int(self.approval_lasts.total_seconds())
        if self.evidence:
            lasting["evidence"] = sorted(self.evidence)
        return {
            "outcome": self.outcome,
            "findings": [
                {
                    "rule": finding.rule,
                    "source": finding.source,
                    "status": finding.status,
                    "message": finding.message,
                    "next_step": finding.next_step,
                }
                for finding in self.findings
            ],
            "approvals": [need.to_json() for need in self.approvals],
            "longest_seconds": None if self.longest is None else int(self.longest.total_seconds()),
            "policy_digest": self.policy_digest,
            **lasting,
        }


class PolicyDeniedError(DeniedError):
    """Policy says no; carries the decision with every finding."""

    code = "policy_denied"

    def __init__(self, decision: Decision) -> None:
        blocking = [
            finding for finding in decision.findings if finding.status is not RuleStatus.SATISFIED
        ]
        # Everything that is missing at once: nobody likes to be refused twice.
        steps = dict.fromkeys(finding.next_step for finding in blocking if finding.next_step)
        super().__init__(
            blocking[0].message if blocking else "no policy allows this",
            next_step=" ".join(steps) or None,
        )
        self.decision = decision


def refuse_if_denied(decision: Decision) -> Decision:
    """Return ``decision`` unless it is a denial.

    Raises:
        PolicyDeniedError: when it is.
    """
    if decision.outcome is Outcome.DENIED:
        raise PolicyDeniedError(decision)
    return decision


def tagged_privileges(scope: Scope, target: Target) -> dict[str, list[Privilege]]:
    """Return, by tag of ``target``, the privileges of ``scope`` that touch what it marks.

    A tag on a column is touched by that column or by the whole table; a tag on a table by the
    table or any of its columns.
    """
    touched: dict[str, list[Privilege]] = {}
    for privilege in scope:
        for name in sorted({tag.name for tag in target.tags if tag.marks(privilege)}):
            touched.setdefault(name, []).append(privilege)
    return touched
