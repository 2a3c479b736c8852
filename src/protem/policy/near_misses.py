"""Why the rules that could have permitted something did not.

Here: for a denial, each rule that came close, with the very conditions that did not hold and the
words for the command line that would meet them. Not here: the decision; nothing in this file can
change one.

How: every condition of a rule becomes a tiny policy of its own, and the engine says which of them
hold. A condition that cannot be evaluated because its guard does not hold stays unsaid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cedarpy

from protem.domain.decisions import PolicyAction, Question, RuleFinding, RuleStatus
from protem.policy.cedar_question import CedarQuestion, ToldQuestion
from protem.policy.option_hints import next_step_for, shorten
from protem.policy.policy_rules import Rule, policy_set
from protem.policy.policy_text import Condition

MAX_RULES = 10
MAX_OUTSIDE = 5
_FAILED = re.compile(r"policy `(\d+/\d+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMisses:
    """What to tell about one slice and action.

    Attributes:
        rules: permits whose head matches, by number.
        outside: findings about permits whose head does not match.
        probes: one policy a condition, with the id ``rule/condition``.
    """

    rules: Mapping[str, Rule]
    outside: tuple[RuleFinding, ...]
    probes: cedarpy.PolicySet

    def findings(
        self, action: PolicyAction, question: Question, told: ToldQuestion
    ) -> tuple[RuleFinding, ...]:
        """Return one finding a rule that did not apply."""
        answer = cedarpy.is_authorized(told.request(action), self.probes, told.entities)
        held = set(answer.diagnostics.reasons)
        failed = {match[1] for text in answer.diagnostics.errors if (match := _FAILED.search(text))}
        found = []
        for number, rule in self.rules.items():
            unmet = _unmet(number, rule.conditions, held, failed)
            if unmet:
                found.append(_miss(rule, unmet, question))
        return (*found, *self.outside)


def near_misses(
    action: PolicyAction, inside: Mapping[str, Rule], rules: Sequence[Rule], asked: CedarQuestion
) -> NearMisses:
    """Prepare what to tell when no permit for ``action`` applies.

    Args:
        action: the one that nothing permitted.
        inside: the slice's rules, by number.
        rules: the whole set.
        asked: whose principal and resource the heads are held against.
    """
    permits = {
        number: rule
        for number, rule in inside.items()
        if _could_permit(rule, action) and rule.conditions
    }
    near = dict(list(permits.items())[:MAX_RULES])
    outside = [
        finding
        for rule in rules
        if _could_permit(rule, action) and (finding := _outside(rule, asked))
    ]
    trees = {
        f"{number}/{at}": tree
        for number, rule in near.items()
        for at, condition in enumerate(rule.conditions)
        if (tree := _probe(condition)) is not None
    }
    return NearMisses(rules=near, outside=tuple(outside[:MAX_OUTSIDE]), probes=policy_set(trees))


def _could_permit(rule: Rule, action: PolicyAction) -> bool:
    return rule.permits and action in rule.actions and not rule.terms.additional


def _probe(condition: Condition) -> object | None:
    word = "unless" if condition.negated else "when"
    text = f"permit(principal, action, resource) {word} {{ {condition.text} }};"
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError:
        return None
    (tree,) = parsed["staticPolicies"].values()
    return dict(tree)


def _unmet(
    number: str, conditions: Sequence[Condition], held: set[str], failed: set[str]
) -> list[Condition]:
    missing = [at for at in range(len(conditions)) if f"{number}/{at}" not in held]
    plain = [at for at in missing if f"{number}/{at}" not in failed]
    return [conditions[at] for at in plain or missing]


def _miss(rule: Rule, unmet: Sequence[Condition], question: Question) -> RuleFinding:
    parts = [
        f"{'applies not when' if condition.negated else 'needs'} {shorten(condition.text)}"
        for condition in unmet
    ]
    return RuleFinding(
        rule=rule.id,
        source=rule.source,
        status=RuleStatus.UNSATISFIED,
        message="does not apply: " + "; ".join(parts),
        next_step=next_step_for(unmet, question),
    )


def _outside(rule: Rule, asked: CedarQuestion) -> RuleFinding | None:
    """Say by what a head misses, when it misses by principal or resource alone."""
    who = rule.principal.matches(asked.principal)
    where = rule.resource.matches(asked.resource)
    if who == where:
        return None
    uid = rule.resource.named if who else rule.principal.named
    if uid is None:
        return None
    subject = "the target" if who else "the principal"
    return RuleFinding(
        rule=rule.id,
        source=rule.source,
        status=RuleStatus.UNSATISFIED,
        message=f"does not apply: {subject} is not {_name_of(uid)}",
    )


def _name_of(uid: tuple[str, str]) -> str:
    kind, name = uid[0].rpartition("::")[2].lower(), shorten(uid[1])
    if kind == "group":
        return f"in group {name}"
    return f"labelled {name}" if kind == "label" else name
