"""Replaying a change of policy over what was asked."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.decision_changes import ChangeKind, Side, differences
from protem.domain.decisions import ApprovalRequirement, Decision, Outcome, PolicyDeniedError
from protem.domain.grants import GrantState
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.review_events import offer_accepted
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.services.extend_grant import extend_grant
from protem.services.replay_policy import Replay, replay_policy, replay_policy_for
from protem.services.request_access import request_access
from protem.services.revise_request import revise_request

from .conftest import POLICY, PUBLIC_HALF

SHOP = (POLICY / "shop.cedar").read_text()
NO_MAIL = """
@id("no-mail") @message("nobody reads mail")
forbid (principal, action == Protem::Action::"request", resource)
when { context.tags.contains("pii") };
"""
NO_EXTENSION = """
@id("once") forbid (principal, action == Protem::Action::"extend", resource);
"""


def policy(text):
    """A policy of one file."""
    return CedarPolicy(read_texts([("shop.cedar", text)]))


async def replayed(company, text, **more):
    """What ``text`` would have answered otherwise."""
    return await replay_policy(company.around, Replay(new=policy(text), **more))


async def test_the_same_rules_change_nothing_even_when_they_move(company):
    """A comment above the rules moves each of them and changes no answer."""
    await request_access(company.around, company.dana, company.ask("orders"))
    await request_access(company.around, company.eve, company.ask("update"))
    report = await replayed(company, "// a comment\n\n" + SHOP)
    assert (report.asked, report.changed, report.drifted) == (2, 0, 0)
    assert report.complete
    assert not report.changes
    assert not report.not_asked


async def test_a_new_forbid_is_named_with_what_it_denies(company):
    """The request that it would have denied, both answers, and the rule with its line."""
    await request_access(company.around, company.dana, company.ask("orders"))
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    report = await replayed(company, SHOP + NO_MAIL)
    assert (report.asked, report.changed) == (2, 1)
    assert report.counts == {ChangeKind.NEWLY_DENIED: 1}
    (change,) = report.changes
    assert change.request.revision.grant_id == asked.grant.id
    assert change.old.outcome is Outcome.NEEDS_APPROVAL
    assert change.new.outcome is Outcome.DENIED
    assert change.request.recorded == "needs_approval"
    side, found = change.rules[0]
    assert (side, found.rule, found.message) == (Side.NEW, "no-mail", "nobody reads mail")
    line = SHOP.count("\n") + 2
    assert report.rules[Side.NEW, "no-mail", f"shop.cedar:{line}"] == 1
    assert json.loads(json.dumps(report.to_json()))["counts"]["newly_denied"] == 1


async def test_what_was_denied_counts_when_a_draft_would_allow_it(company):
    """Denied requests are on record, so that a policy can be seen to open something."""
    company.around = replace(company.around, policy=policy(SHOP + NO_MAIL))
    with pytest.raises(PolicyDeniedError):
        await request_access(company.around, company.dana, company.ask("emails"))
    report = await replayed(company, SHOP)
    assert report.counts == {ChangeKind.NEWLY_ALLOWED: 1}
    assert report.changes[0].request.recorded == "denied"


async def test_edits_and_extensions_are_asked_as_what_they_were(company):
    """Each revision is asked once, an extension as an extension with its total length."""
    waiting = await request_access(company.around, company.eve, company.ask("update"))
    await revise_request(company.around, company.eve, waiting.grant.id, company.ask("orders"))
    used = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    await extend_grant(company.around, company.dana, used.grant.id, timedelta(minutes=5))
    report = await replayed(company, SHOP + NO_EXTENSION)
    assert report.asked == 4
    assert [change.request.action for change in report.changes] == ["extend"]
    assert report.changes[0].request.revision.duration == timedelta(minutes=20)
    assert report.counts == {ChangeKind.NEWLY_DENIED: 1}


async def test_what_an_accepted_offer_narrowed_is_asked_too(company):
    """Its entry names the revision alone; the store has it whole."""
    asked = await request_access(company.around, company.eve, company.ask("update"))
    narrower = replace(asked.revision, number=2, duration=timedelta(minutes=5))

    def work(transaction):
        transaction.requests.add(narrower)
        at = company.clock.now()
        transaction.audit.append(offer_accepted(asked.grant, narrower, asked.decision, at))

    await company.store.write(work)
    report = await replayed(company, SHOP.replace("1h", "10m"))
    assert (report.asked, report.changed) == (2, 2)
    assert report.counts == {ChangeKind.NEWLY_DENIED: 1, ChangeKind.CEILING: 1}


async def test_groups_are_those_of_now_and_the_difference_shows(company):
    """Who left a group is asked without it; the old policy then differs from the record."""
    await request_access(company.around, company.dana, company.ask("orders"))
    company.identity.add(replace(company.dana, groups=frozenset()))
    report = await replayed(company, SHOP)
    assert (report.asked, report.changed, report.drifted) == (1, 0, 1)


async def test_what_cannot_be_asked_is_counted_with_its_reason(company):
    """A requester who is gone, and a target that is not declared any more."""
    await request_access(company.around, company.dana, company.ask("orders"))
    company.identity.disable(company.dana.id)
    report = await replayed(company, SHOP)
    assert report.asked == 0
    assert list(report.not_asked.values()) == [1]
    assert "account" in next(iter(report.not_asked))


async def test_only_the_period_is_asked_about(company):
    """What was asked before it is left alone."""
    await request_access(company.around, company.dana, company.ask("emails"))
    company.clock.advance(timedelta(days=10))
    await request_access(company.around, company.dana, company.ask("emails"))
    draft = SHOP + NO_MAIL
    assert (await replayed(company, draft, since=timedelta(days=9))).changed == 1
    assert (await replayed(company, draft, since=timedelta(days=11))).changed == 2


async def test_few_are_shown_and_all_are_counted(company):
    """The report does not grow with the period."""
    for _ in range(12):
        await request_access(company.around, company.dana, company.ask("emails"))
    report = await replayed(company, SHOP + NO_MAIL, most_shown=5)
    assert (report.changed, len(report.changes)) == (12, 5)
    shown = [change.request.revision.grant_id for change in report.changes]
    assert shown == sorted(shown, reverse=True)


async def test_time_that_runs_out_is_said(company):
    """What was found until then comes back, as not complete."""
    await request_access(company.around, company.dana, company.ask("emails"))
    company.clock.advance(timedelta(seconds=1))
    report = await replayed(company, SHOP + NO_MAIL, within=timedelta(0))
    assert not report.complete
    assert report.asked == 0
    assert report.reached == report.until


async def test_one_sees_of_the_changes_only_what_one_may_see(company):
    """Counts are of everything; requests of others stay hidden without the right to audit."""
    await request_access(company.around, company.dana, company.ask("emails"))
    draft = Replay(new=policy(SHOP + NO_MAIL))
    mine = await replay_policy_for(company.around, company.dana, draft)
    assert (mine.changed, len(mine.changes), mine.hidden) == (1, 1, 0)
    others = await replay_policy_for(company.around, company.eve, draft)
    assert (others.changed, len(others.changes), others.hidden) == (1, 0, 1)


async def test_a_replay_changes_nothing(company):
    """No entry, no state."""
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    before = await company.entries()
    await replayed(company, SHOP + NO_MAIL)
    assert await company.entries() == before
    assert (await company.stored(asked.grant.id)).state is GrantState.PENDING


def test_approvals_are_compared_by_who_must_approve():
    """Another rule that asks the same people is no change; other people or another count is."""
    needs = Decision(outcome=Outcome.NEEDS_APPROVAL)
    owners = frozenset({GroupName("owners"), GroupName("security")})
    one = ApprovalRequirement(count=1, groups=owners, rule="a")
    two = ApprovalRequirement(count=2, groups=owners, rule="b")
    here, moved = (replace(needs, approvals=found) for found in ((one, two), (two, one)))
    assert differences(here, moved) == ()
    renamed = replace(needs, approvals=(replace(one, rule="z"), two))
    assert differences(here, renamed) == ()
    fewer = replace(needs, approvals=(one,))
    assert differences(here, fewer) == (ChangeKind.APPROVALS,)
    waived = Decision(outcome=Outcome.ALLOWED, longest=timedelta(hours=1))
    assert differences(here, waived) == (ChangeKind.APPROVALS, ChangeKind.CEILING)


def test_two_denials_are_the_same():
    """Whatever their reasons: nothing changes for the requester."""
    denied = Decision(outcome=Outcome.DENIED)
    assert differences(denied, replace(denied, longest=timedelta(1))) == ()


async def test_a_target_that_is_gone_is_said(company):
    """Its requests are counted, not asked."""
    await request_access(company.around, company.dana, company.ask("orders"))
    company.around.catalogue.withdraw(TargetName("orders-db"))
    report = await replayed(company, SHOP)
    assert list(report.not_asked) == ["the target is not declared any more"]
