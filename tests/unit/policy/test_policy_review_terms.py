"""Terms about reviews: stages, the manager, windows, how long a yes lasts, the age of a rota."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protem.domain.decisions import Outcome, PolicyAction
from protem.domain.errors import InvalidError
from protem.domain.principals import PrincipalId
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.testing.policy_contract import person, question

ASK = 'permit (principal, action == Protem::Action::"request", resource)'
MIA = PrincipalId(issuer="local", subject="mia")


def decide(text, **changes):
    """Decide the usual question under ``text``."""
    return CedarPolicy(read_texts([("a.cedar", text)])).decide(question(**changes))


def test_equal_terms_of_different_stages_are_both_kept():
    """One of a first, then another of a."""
    text = f"""@approvals("1") @approvers("a") {ASK};
    @stage("2") @approvals("1") @approvers("a") {ASK};"""
    stages = sorted(need.stage for need in decide(text).approvals)
    assert stages == [1, 2]


def test_a_plain_requirement_reads_as_it_always_did():
    """Stage and people appear in the canonical form only where they say something."""
    (plain,) = decide(f'@approvals("1") @approvers("a") {ASK};').to_json()["approvals"]
    assert set(plain) == {"count", "groups", "rule"}
    (late,) = decide(f'@approvals("1") @stage("3") {ASK};').to_json()["approvals"]
    assert late["stage"] == 3


def test_the_manager_is_a_person_beside_groups():
    """Either the manager or one of the group; the manager alone only if one is known."""
    text = f'@approvals("1") @approvers("$manager, owners") {ASK};'
    known = replace(person("erin"), manager=MIA)
    (need,) = decide(text, principal=known).approvals
    assert (need.groups, need.people) == ({"owners"}, {MIA})
    (need,) = decide(text, principal=person("erin")).approvals
    assert (need.groups, need.people) == ({"owners"}, frozenset())
    two = f'@approvals("2") @approvers("$manager") {ASK};'
    assert decide(two, principal=known).outcome is Outcome.DENIED


def test_a_rule_can_let_the_manager_approve():
    """``context.is_manager`` is true of the manager and of who stands in for them."""
    text = """permit (principal, action == Protem::Action::"approve", resource)
    when { context.is_manager };"""
    asks = replace(person("erin"), manager=MIA)

    def says(who, requester=asks):
        facts = {"principal": who, "requester": requester}
        return decide(text, action=PolicyAction.APPROVE, **facts).outcome

    assert says(person("mia")) is Outcome.ALLOWED
    stand_in = replace(person("zoe"), speaks_for=frozenset({MIA}))
    assert says(stand_in) is Outcome.ALLOWED
    assert says(person("zoe")) is Outcome.DENIED
    assert says(person("mia"), person("erin")) is Outcome.DENIED


@pytest.mark.parametrize(("age", "outcome"), [(60, "allowed"), (601, "needs_approval")])
def test_a_rule_can_refuse_a_rota_that_is_too_old(age, outcome):
    """The age of the answer is a fact; who is on call by no rota has none."""
    text = f"""{ASK};
    permit (principal in Protem::Group::"oncall:db", action == Protem::Action::"auto_approve",
      resource) when {{ context has oncall_age_seconds && context.oncall_age_seconds <= 600 }};"""
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    who = replace(person("erin", "oncall:db"), oncall_as_of=at - timedelta(seconds=age))
    assert decide(text, principal=who, at=at).outcome == outcome
    without = replace(who, oncall_as_of=None)
    assert decide(text, principal=without, at=at).outcome is Outcome.NEEDS_APPROVAL


MONDAY_10 = datetime(2026, 1, 5, 10, tzinfo=UTC)
OFFICE = f'@id("office") @window("Mon-Fri 09:00-17:00 Europe/Berlin") {ASK};'


def test_outside_of_its_window_a_permit_does_not_count():
    """The denial says when it opens, by the clock of that place."""
    assert decide(OFFICE, at=MONDAY_10).outcome is Outcome.NEEDS_APPROVAL
    denied = decide(OFFICE, at=MONDAY_10 + timedelta(hours=7))
    assert denied.outcome is Outcome.DENIED
    (finding,) = denied.findings
    assert finding.rule == "office"
    assert finding.message.endswith("opens Tue 2026-01-06 09:00 CET")


def test_another_permit_counts_outside_of_the_window():
    """With its own terms alone."""
    text = f'@approvals("3") {OFFICE} @approvals("2") {ASK};'
    assert sorted(need.count for need in decide(text, at=MONDAY_10).approvals) == [2, 3]
    (need,) = decide(text, at=MONDAY_10 + timedelta(hours=9)).approvals
    assert need.count == 2


def test_the_shortest_life_of_a_yes_holds():
    """Of all rules that say one; a waived request has none."""
    text = f"""@approvals("1") @approval_lasts("1h") {ASK};
    @approvals("1") @approval_lasts("30m") {ASK};"""
    assert decide(text).approval_lasts == timedelta(minutes=30)
    assert decide(text).to_json()["approval_lasts_seconds"] == 1_800
    waived = text + ' permit (principal, action == Protem::Action::"auto_approve", resource);'
    assert decide(waived).approval_lasts is None


@pytest.mark.parametrize(
    "annotations",
    [
        '@stage("2")', '@stage("0") @approvals("1")', '@stage("10") @approvals("1")',
        '@stage("two") @approvals("1")', '@stage("٢") @approvals("1")', '@approval_lasts("30m")',
        '@approval_lasts("never") @approvals("1")', '@window("always")', "@window",
    ],
)  # fmt: skip
def test_a_malformed_term_is_refused(annotations):
    """A rule that cannot be read whole is not half read."""
    with pytest.raises(InvalidError):
        CedarPolicy(read_texts([("a.cedar", f"{annotations} {ASK};")]))
