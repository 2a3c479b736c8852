"""Decisions against a naive reading of small generated sets, and against Cedar's authorizer."""

from dataclasses import dataclass
from datetime import timedelta

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from protem.domain.decisions import Outcome, PolicyAction
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.cedar_question import cedar_question
from protem.policy.policy_folder import read_texts
from protem.testing.policy_contract import person, question, target

GROUPS = ("engineers", "owners")
ENVS = ("prod", "staging")
TERM_ACTIONS = (PolicyAction.REQUEST, PolicyAction.EXTEND)


@dataclass(frozen=True)
class Wish:
    """A rule in a form that the oracle reads without Cedar."""

    permits: bool
    actions: tuple[PolicyAction, ...]
    group: str | None
    env: str | None
    only_with_ticket: bool
    at_most_minutes: int | None
    approvals: int | None
    ceiling_minutes: int | None
    requires_ticket: bool

    def text(self):
        """Return the rule in Cedar."""
        names = ", ".join(f'Protem::Action::"{action}"' for action in self.actions)
        who = f' in Protem::Group::"{self.group}"' if self.group else ""
        where = f' in Protem::Label::"env={self.env}"' if self.env else ""
        parts = []
        if self.has_terms:
            parts += [f'@approvals("{self.approvals}")'] if self.approvals else []
            parts += [f'@max_duration("{self.ceiling_minutes}m")'] if self.ceiling_minutes else []
            parts += ['@requires("ticket")'] if self.requires_ticket else []
        effect = "permit" if self.permits else "forbid"
        parts.append(f"{effect} (principal{who}, action in [{names}], resource{where})")
        if self.only_with_ticket:
            parts.append("when { context has ticket }")
        if self.at_most_minutes:
            parts.append(f'when {{ context.duration <= duration("{self.at_most_minutes}m") }}')
        return " ".join(parts) + ";"

    @property
    def has_terms(self):
        """Whether annotations are allowed here."""
        return self.permits and set(self.actions) <= set(TERM_ACTIONS)

    def holds(self, action, asked):
        """Whether the rule applies."""
        minutes = asked.duration.total_seconds() / 60
        return (
            action in self.actions
            and (self.group is None or self.group in asked.principal.groups)
            and (self.env is None or asked.target.labels["env"] == self.env)
            and (bool(asked.ticket) or not self.only_with_ticket)
            and (self.at_most_minutes is None or minutes <= self.at_most_minutes)
        )


wishes = st.builds(
    Wish,
    permits=st.sampled_from([True, True, True, False]),
    actions=st.lists(
        st.sampled_from([*TERM_ACTIONS, PolicyAction.AUTO_APPROVE, PolicyAction.APPROVE]),
        min_size=1,
        max_size=2,
        unique=True,
    ).map(tuple),
    group=st.sampled_from([None, *GROUPS]),
    env=st.sampled_from([None, *ENVS]),
    only_with_ticket=st.booleans(),
    at_most_minutes=st.sampled_from([None, 20, 60]),
    approvals=st.sampled_from([None, 1, 2]),
    ceiling_minutes=st.sampled_from([None, 30, 45]),
    requires_ticket=st.booleans(),
)
questions = st.builds(
    lambda action, groups, env, minutes, ticket: question(
        action,
        principal=person("erin", *groups),
        target=target(env),
        duration=timedelta(minutes=minutes),
        ticket=ticket,
    ),
    st.sampled_from([*TERM_ACTIONS, PolicyAction.AUTO_APPROVE, PolicyAction.APPROVE]),
    st.sets(st.sampled_from(GROUPS)),
    st.sampled_from(ENVS),
    st.sampled_from([10, 20, 30, 40, 60, 90]),
    st.sampled_from(["", "INC-1"]),
)


def oracle(rules, asked):
    """Return outcome, approval counts and ceiling, read rule by rule in plain Python."""

    def verdict(action):
        holding = [rule for rule in rules if rule.holds(action, asked)]
        permits = [rule for rule in holding if rule.permits]
        return permits if len(permits) == len(holding) else []

    permits = verdict(asked.action)
    if not permits:
        return Outcome.DENIED, set(), None
    if asked.action not in TERM_ACTIONS:
        return Outcome.ALLOWED, set(), None
    termed = [rule for rule in permits if rule.has_terms]
    ceilings = [rule.ceiling_minutes for rule in termed if rule.ceiling_minutes]
    ceiling = timedelta(minutes=min(ceilings)) if ceilings else None
    too_long = ceiling is not None and asked.duration > ceiling
    if too_long or (not asked.ticket and any(rule.requires_ticket for rule in termed)):
        return Outcome.DENIED, set(), None
    if verdict(PolicyAction.AUTO_APPROVE):
        return Outcome.ALLOWED, set(), ceiling
    counts = {rule.approvals for rule in termed if rule.approvals} or {1}
    return Outcome.NEEDS_APPROVAL, counts, ceiling


@settings(max_examples=200, deadline=None)
@given(rules=st.lists(wishes, max_size=6), asked=questions)
def test_decision_is_that_of_a_naive_reading(rules, asked):
    """Outcome, approvals and ceiling equal the oracle's; in particular no yes without a permit."""
    folder = read_texts([("a.cedar", "\n".join(rule.text() for rule in rules))])
    decision = CedarPolicy(folder).decide(asked)
    counts = {need.count for need in decision.approvals}
    assert (decision.outcome, counts, decision.longest) == oracle(rules, asked)


@settings(max_examples=100, deadline=None)
@given(rules=st.lists(wishes, max_size=6), asked=questions)
def test_slices_decide_as_the_engine_does_over_the_whole_set(rules, asked):
    """Where Cedar's own authorizer denies over the text as written, the decision is a denial."""
    text = "\n".join(rule.text() for rule in rules)
    told = cedar_question(asked).telling(None)
    plain = cedarpy.is_authorized(told.request(asked.action), text, told.entities)
    decision = CedarPolicy(read_texts([("a.cedar", text)])).decide(asked)
    terms = any(found.next_step for found in decision.findings if found.rule != "default")
    if not plain.allowed:
        assert decision.outcome is Outcome.DENIED
    else:
        assert decision.outcome is not Outcome.DENIED or terms
