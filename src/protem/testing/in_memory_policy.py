"""Policy as a list of rules in Python, for tests of services.

Here: rules that a test writes as plain values, first match wins. Not here: Cedar, terms that add
up, near misses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from protem.domain.decisions import (
    ApprovalRequirement,
    Decision,
    Outcome,
    PolicyAction,
    Question,
    RuleFinding,
    RuleStatus,
)
from protem.domain.errors import InvalidError
from protem.ports.policy import ShownRule

DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRule:
    """What is answered to ``action`` where ``when`` holds.

    Attributes:
        when: may raise; then the decision is a denial, as with a rule that cannot be evaluated.
    """

    id: str
    action: PolicyAction
    outcome: Outcome
    when: Callable[[Question], bool] = lambda _question: True
    approvals: tuple[ApprovalRequirement, ...] = ()
    longest: timedelta | None = None


class InMemoryPolicy:
    """Answers by the first rule that applies; denies where none does."""

    def __init__(self, *rules: FixedRule) -> None:
        self._rules = list(rules)

    def change(self, *rules: FixedRule) -> None:
        """Replace every rule, as a new policy set would."""
        self._rules = list(rules)

    @property
    def digest(self) -> str:
        """The same for every set."""
        return DIGEST

    def files(self) -> dict[str, str]:
        """Return nothing: rules are values here."""
        return {}

    def rules(self) -> Sequence[ShownRule]:
        """Return every rule, without a text."""
        return [
            ShownRule(
                id=rule.id,
                source="in-memory:1",
                permits=rule.outcome is not Outcome.DENIED,
                actions=frozenset({rule.action}),
                message="",
                terms="",
                text="",
            )
            for rule in self._rules
        ]

    def draft(self, files: Mapping[str, str]) -> InMemoryPolicy:
        """Return a policy that denies everything, of files that say nothing.

        Raises:
            InvalidError: when one says something: rules are values here.
        """
        for name, text in files.items():
            if text.strip():
                raise InvalidError(
                    f"the policies are refused:\n{name}:1: no rule is read from text"
                )
        return InMemoryPolicy()

    def decide(self, question: Question) -> Decision:
        """Return the decision; never raises."""
        for rule in self._rules:
            if rule.action is not question.action:
                continue
            try:
                applies = rule.when(question)
            except Exception as error:  # noqa: BLE001  # a rule that fails is a denial
                return _denied(rule.id, RuleStatus.FAILED, f"cannot be evaluated: {error}")
            if applies:
                return _answer(rule, question)
        return _denied("default", RuleStatus.UNSATISFIED, f"no rule permits {question.action} here")


def _answer(rule: FixedRule, question: Question) -> Decision:
    if rule.outcome is Outcome.DENIED:
        return _denied(rule.id, RuleStatus.UNSATISFIED, "forbidden")
    longest, asked = rule.longest, question.duration
    if longest is not None and asked is not None and asked > longest:
        return _denied(rule.id, RuleStatus.UNSATISFIED, "over the limit", "--for " + _text(longest))
    finding = RuleFinding(
        rule=rule.id, source="in-memory:1", status=RuleStatus.SATISFIED, message="permits it"
    )
    return Decision(
        outcome=rule.outcome,
        findings=(finding,),
        approvals=rule.approvals,
        longest=longest,
        policy_digest=DIGEST,
    )


def _text(length: timedelta) -> str:
    return f"{int(length.total_seconds())}s"


def _denied(rule: str, status: RuleStatus, message: str, step: str | None = None) -> Decision:
    finding = RuleFinding(
        rule=rule, source="in-memory:1", status=status, message=message, next_step=step
    )
    return Decision(outcome=Outcome.DENIED, findings=(finding,), policy_digest=DIGEST)
