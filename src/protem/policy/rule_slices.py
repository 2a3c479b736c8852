"""The rules that can matter to a question, found by their heads and kept parsed.

Here: the index and its bounded memory. Not here: reading of answers.

Invariants: a slice holds every rule whose head matches the facts, so leaving the rest out cannot
change a decision. Rules of the slice are numbered by their place in the whole set. A property test
holds decisions to those of the engine's own authorizer over the whole set as written.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import cedarpy

from protem.domain.decisions import PolicyAction
from protem.policy.near_misses import NearMisses
from protem.policy.policy_rules import EntityFacts, Head, Rule, Uid, facts_mentioned, policy_set

MAX_SLICES = 1_024
"""Handles kept; a policy set meets few combinations of the groups and labels that it names."""

_Key = tuple[PolicyAction, frozenset[Uid], frozenset[Uid], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rules of one combination of facts.

    Attributes:
        rules: by their number in the set.
        policies: the same rules for the engine, which tells those that apply; the policy id is the
            rule's number.
        facts: the attributes that the rules mention; None is all.
        near_misses: by action, made when first asked for.
    """

    rules: dict[str, Rule]
    policies: cedarpy.PolicySet
    facts: frozenset[str] | None
    near_misses: dict[PolicyAction, NearMisses] = field(default_factory=dict)


class RuleSlices:
    """Cuts slices from a fixed set of rules; safe to share among threads."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._named = _named(rule.principal for rule in rules)
        self._labels = _named(rule.resource for rule in rules)
        self._known: OrderedDict[_Key, Slice] = OrderedDict()
        self._lock = Lock()

    def of(self, action: PolicyAction, principal: EntityFacts, resource: EntityFacts) -> Slice:
        """Return the slice for these facts; the same object for the same facts while it is kept."""
        key = (
            action,
            principal.inside & self._named,
            resource.inside & self._labels,
            principal.uid[0],
            resource.uid[0],
        )
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        made = self._cut(action, principal, resource)
        with self._lock:
            self._known[key] = made
            if len(self._known) > MAX_SLICES:
                self._known.popitem(last=False)
        return made

    def _cut(self, action: PolicyAction, principal: EntityFacts, resource: EntityFacts) -> Slice:
        wanted = actions_asked(action)
        rules = {
            str(number): rule
            for number, rule in enumerate(self._rules)
            if rule.actions & wanted
            and rule.principal.matches(principal)
            and rule.resource.matches(resource)
        }
        return Slice(
            rules=rules,
            policies=policy_set({number: _probe(rule) for number, rule in rules.items()}),
            facts=facts_mentioned(rule.tree for rule in rules.values()),
        )


def actions_asked(action: PolicyAction) -> frozenset[PolicyAction]:
    """Return the actions that a question about ``action`` asks the engine about."""
    if action in (PolicyAction.REQUEST, PolicyAction.EXTEND):
        return frozenset({action, PolicyAction.AUTO_APPROVE})
    return frozenset({action})


def _probe(rule: Rule) -> dict[str, object]:
    """Return a policy that permits exactly where ``rule`` applies.

    Permits and forbids of ``request`` and of ``auto_approve`` are then told apart by number in one
    call to the engine. The action was matched when the slice was cut, and no condition names it.
    """
    return {**rule.tree, "effect": "permit", "action": {"op": "All"}, "annotations": {}}


def _named(heads: Iterable[Head]) -> frozenset[Uid]:
    return frozenset(uid for head in heads for uid in (head.equals, head.within) if uid is not None)
