"""A start in the future: reviewed beforehand, begun not before, judged again when it begins."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.approvals import Verdict
from protem.domain.decisions import Outcome, PolicyDeniedError
from protem.domain.errors import ConflictError, DeniedError, ExpiredError, InvalidError
from protem.domain.grants import GrantState
from protem.domain.instants import format_instant
from protem.domain.offers import Narrowing
from protem.policy.cedar_policy import CedarPolicy
from protem.services.activate_grant import activate_grant
from protem.services.cancel_request import cancel_request
from protem.services.extend_grant import extend_grant
from protem.services.offer_narrower import OfferMade, offer_narrower
from protem.services.plan_command import MOST_AHEAD, plan_command
from protem.services.request_access import request_access
from protem.services.review_request import NotYourTurnError, Review, review_request
from protem.services.revise_request import revise_request

from .conftest import PUBLIC_HALF
from .review_company import OWNERS, under, yes

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LATER = timedelta(hours=20)
"""Longer than a request or an approval otherwise waits."""


@pytest.fixture
def start(company):
    """When it shall begin."""
    return company.clock.now() + LATER


async def approve(company, asked):
    """Let the owner say yes to what was asked."""
    review = Review(grant_id=asked.grant.id, digest=asked.revision.digest, verdict=Verdict.APPROVE)
    return await review_request(company.around, company.omar, review)


async def ask(company, what, start):
    """Ask for later, with the public half sent along as the terminal does."""
    wish = replace(company.ask(what), start=start)
    return await request_access(company.around, company.dana, wish, PUBLIC_HALF)


@pytest.mark.parametrize("what", ["orders", "emails"])
async def test_nothing_begins_before_its_start(company, start, what):
    """Whether policy or people said yes; at the start it does, for as long as was asked."""
    asked = await ask(company, what, start)
    if what == "emails":
        assert asked.grant.state is GrantState.PENDING
        await approve(company, asked)
    assert (await company.stored(asked.grant.id)).state is GrantState.APPROVED
    for ahead in (LATER, SECOND):
        company.clock.advance(start - ahead - company.clock.now())
        with pytest.raises(ConflictError, match="begins in") as refused:
            await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
        assert "--resume" in refused.value.next_step
        await company.reconciler.run_once()
        assert company.target.grants == {}
    company.clock.advance(SECOND)
    active = await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    assert active.activated_at == start
    assert active.expires_at == start + timedelta(minutes=15)


async def test_waits_count_from_the_start(company, start):
    """Neither a request nor its approval is given up before it could be used."""
    unanswered, approved = await ask(company, "emails", start), await ask(company, "orders", start)
    limits = company.around.limits
    company.clock.advance(LATER + limits.approval_lapses_after - SECOND)
    await company.reconciler.run_once()
    assert (await company.stored(approved.grant.id)).state is GrantState.APPROVED
    company.clock.advance(SECOND)
    with pytest.raises(ExpiredError):
        await activate_grant(company.around, company.dana, approved.grant.id, PUBLIC_HALF)
    company.clock.advance(limits.request_lapses_after - limits.approval_lapses_after)
    await company.reconciler.run_once()
    for one in (unanswered, approved):
        assert (await company.stored(one.grant.id)).state is GrantState.LAPSED


async def test_who_may_no_longer_gets_nothing_at_the_start(company, start):
    """Requester and approver are judged again when it begins, not when it was asked."""
    asked = await ask(company, "emails", start)
    await approve(company, asked)
    company.identity.add(replace(company.omar, groups=frozenset()))
    company.clock.advance(LATER)
    with pytest.raises(DeniedError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    company.identity.add(company.omar)
    company.identity.add(replace(company.dana, groups=frozenset()))
    with pytest.raises(PolicyDeniedError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_start_is_ahead_and_within_a_week(company):
    """What is past, or too far for approvers to remember, is not asked."""
    now = company.clock.now()
    for start in (now, now - SECOND, now + MOST_AHEAD + SECOND):
        with pytest.raises(InvalidError, match="start"):
            await ask(company, "orders", start)
        with pytest.raises(InvalidError, match="start"):
            await plan_command(
                company.around, company.dana, replace(company.ask("orders"), start=start)
            )
    assert await company.entries() == []
    assert (await ask(company, "orders", now + MOST_AHEAD)).grant.state is GrantState.APPROVED


async def test_a_start_is_part_of_what_is_approved(company, start):
    """Another start is another digest; without one the form is the one that it always was."""
    at_once = await request_access(company.around, company.dana, company.ask("emails"))
    later = await ask(company, "emails", start)
    assert "start" not in at_once.revision.to_json()
    assert later.revision.to_json()["start"] == format_instant(start)
    assert replace(later.revision, start=start + SECOND).digest != later.revision.digest
    assert (
        await company.store.read(lambda view: view.requests.get(later.grant.id, 1))
    ).start == start
    await approve(company, later)
    moved = replace(company.ask("emails"), start=start + HOUR)
    edited = await revise_request(company.around, company.dana, later.grant.id, moved)
    assert edited.grant.state is GrantState.PENDING


async def test_it_is_withdrawn_and_extended_like_any_other(company, start):
    """Before the start it is cancelled; once it runs, its start is past and changes nothing."""
    asked, kept = await ask(company, "orders", start), await ask(company, "orders", start)
    await cancel_request(company.around, company.dana, asked.grant.id)
    company.clock.advance(LATER)
    with pytest.raises(ConflictError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    await activate_grant(company.around, company.dana, kept.grant.id, PUBLIC_HALF)
    await company.reconciler.run_once()
    company.clock.advance(SECOND)
    more = await extend_grant(company.around, company.dana, kept.grant.id, timedelta(minutes=5))
    assert more.grant.expires_at == start + timedelta(minutes=20)


NIGHTS = """
@id("by-night")
@window("Mon-Sun 22:00-04:00 UTC")
permit (principal, action == Protem::Action::"request", resource);
"""


async def test_a_window_is_asked_for_the_start(company, tmp_path):
    """By day for the night is allowed, by day for the evening before it is not."""
    (tmp_path / "nights.cedar").write_text(NIGHTS)
    around = replace(company.around, policy=CedarPolicy.load(tmp_path))
    midnight = company.clock.now().replace(hour=0, minute=0) + timedelta(days=1)
    outcomes = {}
    for hours in (-3, -2, 0, 3, 5):
        wish = replace(company.ask("orders"), start=midnight + hours * HOUR)
        outcomes[hours] = (await plan_command(around, company.dana, wish)).decision.outcome
    closed = {hours for hours, outcome in outcomes.items() if outcome is Outcome.DENIED}
    assert closed == {-3, 5}


async def test_a_yes_that_would_be_void_at_the_start_is_not_taken(company, start):
    """It would use up its reviewer, and make an approval that is given up before it begins."""
    lasting = OWNERS.replace('@approvals("1")', '@approvals("1") @approval_lasts("30m")')
    under(company, lasting)
    asked = await ask(company, "emails", start)
    narrower = OfferMade(
        grant_id=asked.grant.id,
        digest=asked.revision.digest,
        narrowing=Narrowing(duration=timedelta(minutes=5)),
    )
    for ahead in (LATER, HOUR / 2):
        company.clock.advance(start - ahead - company.clock.now())
        with pytest.raises(NotYourTurnError, match="it can be approved after"):
            await approve(company, asked)
        with pytest.raises(NotYourTurnError):
            await offer_narrower(company.around, company.omar, narrower)
        await company.reconciler.run_once()
        assert (await company.stored(asked.grant.id)).state is GrantState.PENDING
    company.clock.advance(SECOND)
    approved = await approve(company, asked)
    assert approved.lapses_at == start + SECOND
    company.clock.advance(start - company.clock.now())
    await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_no_is_taken_however_far_the_start_is(company, start):
    """Only a yes can be too early."""
    under(company, OWNERS.replace('@approvals("1")', '@approvals("1") @approval_lasts("30m")'))
    asked = await ask(company, "emails", start)
    said = replace(yes(asked), verdict=Verdict.DENY)
    denied = await review_request(company.around, company.omar, said)
    assert denied.state is GrantState.DENIED
