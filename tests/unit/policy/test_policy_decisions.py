"""How rules add up, what denials say, and what the engine is told."""

from datetime import timedelta
from pathlib import Path

import cedarpy
import pytest

from protem.domain.decisions import Outcome, PolicyAction, RuleStatus
from protem.domain.plans import Trait
from protem.domain.scopes import Privilege, Scope
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.cedar_question import cedar_question
from protem.policy.policy_cases import read_cases, run_cases
from protem.policy.policy_folder import read_texts, shipped_schema
from protem.testing.policy_contract import HOSTILE, question, target

EXAMPLES = Path(__file__).parents[3] / "examples" / "policy"
ASK = 'permit (principal, action == Protem::Action::"request", resource)'
WAIVE = 'permit (principal, action == Protem::Action::"auto_approve", resource)'
FORBID = 'forbid (principal, action == Protem::Action::"request", resource)'


def policy_of(text):
    """Return the policy of one file."""
    return CedarPolicy(read_texts([("a.cedar", text)]))


def decide(text, **changes):
    """Decide the usual question under ``text``."""
    return policy_of(text).decide(question(**changes))


def needs(decision):
    """The approvals as comparable pairs."""
    return {(need.count, tuple(sorted(need.groups))) for need in decision.approvals}


def test_terms_of_all_permits_add_up():
    """Distinct approvals are all kept, equal ones once, and the shortest ceiling holds."""
    text = f"""
    @approvals("1") @approvers("a") @max_duration("2h") {ASK};
    @approvals("1") @approvers("a") {ASK};
    @approvals("2") @approvers("b, a") @max_duration("1h") {ASK};
    {ASK};
    """
    decision = decide(text)
    assert needs(decision) == {(1, ("a",)), (2, ("a", "b"))}
    assert len(decision.approvals) == 2
    assert decision.longest == timedelta(hours=1)


def test_required_facts_add_up_and_say_what_to_type():
    """What any applying permit requires is required."""
    text = f'@id("x") @requires("ticket") {ASK}; @id("y") @requires("reason") {ASK};'
    decision = decide(text, reason=" \n", ticket="")
    assert decision.outcome is Outcome.DENIED
    steps = {(found.rule, found.next_step) for found in decision.findings}
    assert steps == {("x", "--ticket ID"), ("y", "--why TEXT")}
    assert decide(text, reason="r", ticket="T").outcome is Outcome.NEEDS_APPROVAL


def test_auto_approval_waives_people_only():
    """The waiver leaves ceilings and required facts in place, and needs a permit to waive."""
    terms = f'@approvals("3") @requires("ticket") @max_duration("1h") {ASK}; {WAIVE};'
    assert decide(terms, ticket="T").outcome is Outcome.ALLOWED
    assert decide(terms).outcome is Outcome.DENIED
    assert decide(terms, ticket="T", duration=timedelta(hours=2)).outcome is Outcome.DENIED
    assert decide(f"{WAIVE};").outcome is Outcome.DENIED


def test_forbidden_waiver_falls_back_to_approval():
    """A forbid of auto_approve leaves the request open to people."""
    text = f"{ASK}; {WAIVE}; {WAIVE.replace('permit', 'forbid')};"
    decision = decide(text)
    assert decision.outcome is Outcome.NEEDS_APPROVAL
    assert needs(decision) == {(1, ())}


def test_additional_rule_permits_nothing_by_itself():
    """An additional permit adds its terms to others; alone it is a denial."""
    extra = f'@additional @approvals("1") @approvers("security") {ASK};'
    assert decide(extra).outcome is Outcome.DENIED
    assert needs(decide(f"{extra} {ASK};")) == {(1, ("security",))}


def test_forbid_wins_and_speaks():
    """One forbid denies whatever permits; its message and remedy are told."""
    text = f"""{ASK}; {WAIVE};
    @id("no") @message("tickets, please") {FORBID} unless {{ context has ticket }};"""
    decision = decide(text)
    (finding,) = decision.findings
    assert decision.outcome is Outcome.DENIED
    assert (finding.rule, finding.source) == ("no", "a.cedar:2")
    assert (finding.message, finding.next_step) == ("tickets, please", "--ticket ID")
    assert decide(text, ticket="T").outcome is Outcome.ALLOWED


def test_denial_names_the_conditions_that_do_not_hold():
    """A near miss tells its own failing conditions, not those that hold or hang on them."""
    text = f"""@id("near") {ASK} when {{
      context.writes == false && context has ticket && context.ticket like "INC-*"
      && context.duration <= duration("10m") }};
    @id("far") {ASK.replace("resource)", 'resource in Protem::Label::"env=lab")')};"""
    default, near, far = decide(text).findings
    assert default.rule == "default"
    assert near.message == (
        'does not apply: needs context has ticket; needs context.duration <= duration("10m")'
    )
    assert near.next_step == "--ticket ID --for 10m"
    assert far.message == "does not apply: the target is not labelled env=lab"


def test_explain_adds_why_it_was_not_approved_by_itself():
    """The explanation has the decision's own outcome and the waiver that came close."""
    text = f'{ASK}; @id("auto") {WAIVE} when {{ context has ticket }};'
    policy = policy_of(text)
    decided, explained = policy.decide(question()), policy.explain(question())
    assert explained.findings[: len(decided.findings)] == decided.findings
    assert (explained.outcome, explained.approvals) == (decided.outcome, decided.approvals)
    assert explained.findings[-1].rule == "auto"
    assert explained.findings[-1].next_step == "--ticket ID"


def test_owner_label_names_the_approvers():
    """``$owner`` is the target's label; without the label nobody could approve, so it is denied."""
    text = f'@id("own") @approvals("1") @approvers("$env") {ASK};'
    assert needs(decide(text)) == {(1, ("prod",))}
    bare = decide(text.replace("$env", "$owner"))
    assert bare.outcome is Outcome.DENIED
    assert [found.status for found in bare.findings] == [RuleStatus.FAILED]


def test_extension_is_told_from_a_request():
    """Policy sees that it is an extension, also when it is asked to approve by itself."""
    extend = ASK.replace('"request"', '"extend"')
    text = f"{extend}; {WAIVE} unless {{ context.extending }};"
    decision = policy_of(text).decide(question(PolicyAction.EXTEND))
    assert decision.outcome is Outcome.NEEDS_APPROVAL


def test_fractions_of_a_second_count_as_more():
    """A duration just over a ceiling is over it, in conditions as in annotations."""
    text = f'{ASK} when {{ context.duration <= duration("30m") }};'
    over = timedelta(minutes=30, microseconds=1)
    assert decide(text, duration=over).outcome is Outcome.DENIED


def test_dots_in_names_cannot_pass_for_separators():
    """Tables reach policy in one spelling, quoted where it is needed."""
    text = f'{ASK} when {{ context.tables.contains("shop.orders") }};'
    for path, outcome in [
        (("shop", "orders"), Outcome.NEEDS_APPROVAL),
        (("shop.orders",), Outcome.DENIED),
        (("Shop", "orders"), Outcome.DENIED),
    ]:
        scope = Scope([Privilege(kind="table", path=path, action="SELECT")])
        assert decide(text, scope=scope).outcome is outcome


@pytest.mark.parametrize("action", list(PolicyAction))
def test_what_the_engine_is_told_conforms_to_the_schema(action):
    """Request and entities of a question full of hostile text pass the shipped schema."""
    hostile = HOSTILE.replace("\ud800", "")
    asked = question(
        action,
        reason=hostile,
        ticket=hostile,
        program=hostile,
        profile=hostile,
        traits=frozenset(Trait),
        tags=frozenset({hostile}),
        target=target(hostile),
        scope=Scope([Privilege(kind="table", path=(hostile, hostile), action=hostile)]),
    )
    told = cedar_question(asked).telling(None)
    answer = cedarpy.is_authorized(
        told.request(action),
        "permit(principal, action, resource);",
        cedarpy.Entities.from_json_str(told.entities, shipped_schema()),
        shipped_schema(),
    )
    assert answer.allowed, answer.diagnostics.errors


def test_shipped_examples_answer_their_example_requests():
    """Every case of the example set passes, and there are many."""
    cases = read_cases(EXAMPLES)
    results = run_cases(CedarPolicy.load(EXAMPLES), cases)
    assert len(cases) >= 30
    assert [(result.case.name, result.differences) for result in results if not result.passed] == []


def test_every_example_rule_is_tested():
    """Each rule of the example set decides at least one example request."""
    policy = CedarPolicy.load(EXAMPLES)
    said = {
        finding.rule
        for case in read_cases(EXAMPLES)
        for finding in policy.explain(case.question).findings
    }
    rules = {
        line.split('"')[1]
        for path in EXAMPLES.glob("*.cedar")
        for line in path.read_text().splitlines()
        if line.startswith("@id")
    }
    assert rules <= said


@pytest.mark.parametrize(
    "condition",
    [
        'context["tick\\u{65}t"] == "T"',
        "context == context",
        'if context has ticket then context.ticket == "T" else false',
        "[context].contains(context) && {a: context}.a has ticket",
    ],
)
def test_facts_reach_rules_however_they_are_named(condition):
    """What is left out of a question for speed is never what a rule reads."""
    guard = "context has ticket && " if condition.startswith("context[") else ""
    text = f"{ASK} when {{ {guard}{condition} }};"
    assert decide(text, ticket="T").outcome is Outcome.NEEDS_APPROVAL
