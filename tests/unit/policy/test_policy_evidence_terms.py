"""Terms about evidence: what a rule asks of the target before anybody is asked."""

from datetime import UTC, datetime

import pytest

from protem.domain.decisions import Outcome
from protem.domain.errors import InvalidError
from protem.domain.evidence import EvidenceKind, Exhibit
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.testing.policy_contract import question

ASK = 'permit (principal, action == Protem::Action::"request", resource)'
AT = datetime(2026, 1, 5, tzinfo=UTC)
COUNTED = Exhibit(kind=EvidenceKind.DRY_RUN, at=AT, rows=3)


def decide(text, **changes):
    """Decide the usual question under ``text``."""
    return CedarPolicy(read_texts([("a.cedar", text)])).decide(question(**changes))


def test_without_the_evidence_that_a_rule_asks_for_it_is_denied():
    """Missing, of another kind, or not to be had: each is a no that says so."""
    text = f'@evidence("dry_run") {ASK};'
    other = Exhibit(kind=EvidenceKind.EXPLAIN, at=AT, rows=3)
    for exhibits, said in (
        ((), "needs a dry run"),
        ((other,), "needs a dry run"),
        ((Exhibit(kind=EvidenceKind.DRY_RUN, at=AT, why_not="busy"),), "could not be had: busy"),
    ):
        decision = decide(text, exhibits=exhibits)
        assert decision.outcome is Outcome.DENIED
        assert said in decision.findings[0].message
        assert decision.evidence == {EvidenceKind.DRY_RUN}
    assert decide(text, exhibits=(COUNTED,)).outcome is Outcome.NEEDS_APPROVAL


def test_what_all_rules_ask_for_is_asked_together():
    """Terms add up; a waiver of people waives no evidence."""
    text = f"""@evidence("dry_run") {ASK}; @additional @evidence("explain") {ASK};
    permit (principal, action == Protem::Action::"auto_approve", resource);"""
    decision = decide(text, exhibits=None)
    assert decision.outcome is Outcome.ALLOWED
    assert decision.evidence == set(EvidenceKind)
    assert decision.to_json()["evidence"] == ["dry_run", "explain"]
    assert decide(text, exhibits=(COUNTED,)).outcome is Outcome.DENIED


def test_a_decision_without_evidence_reads_as_it_always_did():
    """The field is there only where it says something."""
    assert "evidence" not in decide(f"{ASK};").to_json()


@pytest.mark.parametrize("value", ["", "explian", "explain, dry_run", "EXPLAIN", "dry-run"])
def test_an_unknown_kind_of_evidence_is_refused(value):
    """A misspelt kind refuses the whole set, and names those that there are."""
    with pytest.raises(InvalidError, match="dry_run, explain"):
        decide(f'@evidence("{value}") {ASK};')


@pytest.mark.parametrize("action", ["break_glass", "approve", "audit"])
def test_evidence_is_asked_for_with_requests_alone(action):
    """Whoever breaks the glass waits for nothing; elsewhere there is no statement."""
    with pytest.raises(InvalidError, match="@evidence"):
        decide(
            f'@evidence("explain") permit (principal, action == Protem::Action::"{action}",'
            " resource);"
        )
