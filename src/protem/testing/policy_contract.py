"""What every policy promises, as a test class: override the fixtures and inherit the rest.

Here: the promises of ``ports.policy`` over one small set of rules that every implementation can
state in its own way. Not here: the language that rules are written in.

The set that ``policy`` must hold:

- whoever is in group ``engineers`` may request anything for at most 1 h, after 2 approvals of
  group ``owners``; on a target with the label ``env=staging`` at once;
- whoever is in group ``owners`` may approve; nobody approves their own;
- on a target with the label ``env=broken``, evaluation of a rule for ``request`` fails.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protem.domain.canonical_json import encode
from protem.domain.decisions import Outcome, PolicyAction, Question, RuleStatus
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.domain.targets import Target
from protem.ports.policy import Policy

HOSTILE = (
    'it\'s "urgent"\\n\n); permit(principal, action, resource); // \u202e\u2066 \ud800 \x1b[2J'
)
AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def person(name: str, *groups: str) -> Principal:
    """Return a person of these groups."""
    return Principal(
        id=PrincipalId(issuer="local", subject=name),
        display=name,
        groups=frozenset(map(GroupName, groups)),
    )


def question(action: PolicyAction = PolicyAction.REQUEST, **changes: Any) -> Question:
    """Return a whole question by an engineer about production, with ``changes``."""
    asked = Question(
        action=action,
        principal=person("erin", "engineers"),
        at=AT,
        target=target("prod"),
        scope=Scope([Privilege(kind="table", path=("shop", "orders"), action="SELECT")]),
        program="psql",
        duration=timedelta(minutes=30),
        reason="customer 7 cannot pay",
        requester=person("rosa", "engineers"),
    )
    return replace(asked, **changes)


def target(env: str) -> Target:
    """Return a target of that environment."""
    return Target(name=TargetName("orders-db"), scheme="postgresql", labels={"env": env})


class PolicyContract:
    """The promises."""

    @pytest.fixture
    def policy(self) -> Policy:
        """Override: the set that the module's docstring describes."""
        pytest.fail("a contract needs a policy")

    @pytest.fixture
    def empty_policy(self) -> Policy:
        """Override: a policy without any rule."""
        pytest.fail("a contract needs an empty policy")

    @pytest.mark.parametrize("action", list(PolicyAction))
    def test_empty_set_denies_everything(self, empty_policy: Policy, action: PolicyAction) -> None:
        """Without a rule there is no permission, and the denial says so."""
        decision = empty_policy.decide(question(action))
        assert decision.outcome is Outcome.DENIED
        assert decision.findings

    def test_rule_can_ask_for_approvals(self, policy: Policy) -> None:
        """A permitted request names who must say yes, and which rule wants it."""
        decision = policy.decide(question())
        assert decision.outcome is Outcome.NEEDS_APPROVAL
        (need,) = decision.approvals
        assert (need.count, sorted(need.groups)) == (2, ["owners"])
        assert need.rule in {found.rule for found in decision.findings}
        assert decision.longest == timedelta(hours=1)

    def test_rule_can_allow_at_once(self, policy: Policy) -> None:
        """Where a rule approves by itself nobody is asked."""
        decision = policy.decide(question(target=target("staging")))
        assert decision.outcome is Outcome.ALLOWED
        assert decision.approvals == ()

    def test_who_no_rule_names_is_denied(self, policy: Policy) -> None:
        """The request of a stranger is denied, whatever its target."""
        for env in ("prod", "staging"):
            asked = question(principal=person("sam"), target=target(env))
            assert policy.decide(asked).outcome is Outcome.DENIED

    def test_ceiling_denies_and_says_what_to_type(self, policy: Policy) -> None:
        """A request over the ceiling is denied with the option that would do, at once or not."""
        for env in ("prod", "staging"):
            asked = question(duration=timedelta(hours=1, seconds=1), target=target(env))
            decision = policy.decide(asked)
            assert decision.outcome is Outcome.DENIED
            steps = [found.next_step or "" for found in decision.findings]
            assert any(step.startswith("--for ") for step in steps)
        at_most = policy.decide(question(duration=timedelta(hours=1)))
        assert at_most.outcome is Outcome.NEEDS_APPROVAL

    def test_failing_rule_denies(self, policy: Policy) -> None:
        """A rule that cannot be evaluated denies what another rule permits."""
        decision = policy.decide(question(target=target("broken")))
        assert decision.outcome is Outcome.DENIED
        assert RuleStatus.FAILED in {found.status for found in decision.findings}

    def test_reviewers_are_named_by_rules(self, policy: Policy) -> None:
        """Owners approve for others, not for themselves; engineers do not approve."""
        olga = person("olga", "owners")
        approve = PolicyAction.APPROVE
        others = policy.decide(question(approve, principal=olga))
        own = policy.decide(question(approve, principal=olga, requester=olga))
        engineers = policy.decide(question(approve))
        assert others.outcome is Outcome.ALLOWED
        assert others.approvals == ()
        assert own.outcome is Outcome.DENIED
        assert engineers.outcome is Outcome.DENIED

    @pytest.mark.parametrize("action", list(PolicyAction))
    def test_same_question_same_answer(self, policy: Policy, action: PolicyAction) -> None:
        """A decision is a function of the question, findings and their order included."""
        groups = ("engineers", "owners", "b", "c", "d")
        asked = question(action, principal=person("erin", *groups))
        turned = question(action, principal=person("erin", *reversed(groups)))
        assert policy.decide(asked) == policy.decide(asked) == policy.decide(turned)

    def test_every_decision_names_its_set_and_can_be_logged(self, policy: Policy) -> None:
        """Every finding has a rule, and the JSON form is canonical."""
        for asked in (question(), question(principal=person("sam")), question(target=target("x"))):
            decision = policy.decide(asked)
            assert decision.policy_digest.startswith("sha256:")
            assert all(found.rule for found in decision.findings)
            encode(decision.to_json())

    @pytest.mark.parametrize("field", ["reason", "ticket", "program", "profile"])
    def test_hostile_text_is_only_text(self, policy: Policy, field: str) -> None:
        """Quotes, policy text, bidi marks and broken Unicode never turn a no into a yes."""
        for text in (HOSTILE, HOSTILE * 20, "\0", "x" * 2_000):
            changes: dict[str, Any] = {field: text}
            stranger = policy.decide(question(principal=person("sam"), **changes))
            assert stranger.outcome is Outcome.DENIED
            engineer = policy.decide(question(**changes))
            assert engineer.outcome is not Outcome.ALLOWED
            encode(engineer.to_json())

    def test_hostile_labels_are_only_labels(self, policy: Policy) -> None:
        """A label that holds another label, or policy text, is not that label."""
        for labels in ({"x": "env=staging"}, {"env=staging": ""}, {'env=staging" || "': "1"}):
            where = Target(name=TargetName("t"), scheme="postgresql", labels=labels)
            assert policy.decide(question(target=where)).outcome is not Outcome.ALLOWED

    def test_malformed_question_is_a_denial(self, policy: Policy) -> None:
        """A question without target or duration is answered, with a denial."""
        assert policy.decide(question(target=None)).outcome is Outcome.DENIED
        assert policy.decide(question(duration=None)).outcome is not Outcome.ALLOWED
