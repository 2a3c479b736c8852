"""Reviewing: approvals bind to content, count people, and are counted again at activation."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.approvals import Verdict
from protem.domain.decisions import Outcome, PolicyAction, PolicyDeniedError
from protem.domain.errors import ConflictError, DeniedError, ExpiredError, NotFoundError
from protem.domain.grants import GrantState
from protem.domain.principals import PrincipalKind
from protem.services.activate_grant import activate_grant
from protem.services.end_grant import end_grant
from protem.services.extend_grant import extend_grant
from protem.services.request_access import request_access
from protem.services.review_request import Review, review_request
from protem.services.revise_request import revise_request

from .conftest import PUBLIC_HALF, person


def yes(asked, comment=""):
    """A yes to exactly what was asked."""
    return Review(
        grant_id=asked.grant.id,
        digest=asked.revision.digest,
        verdict=Verdict.APPROVE,
        comment=comment,
    )


def no(asked):
    """A no to exactly what was asked."""
    return Review(grant_id=asked.grant.id, digest=asked.revision.digest, verdict=Verdict.DENY)


@pytest.fixture
async def asked(company):
    """Dana's request for personal data, which needs one owner."""
    return await request_access(company.around, company.dana, company.ask("emails"))


async def test_one_yes_of_an_owner_approves(company, asked):
    """The quorum is met; the requester can activate, and only the requester."""
    grant = await review_request(company.around, company.omar, yes(asked))
    assert grant.state is GrantState.APPROVED
    active = await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    assert [row["reviewer"] for row in active.order.order.approvals] == ["local|omar"]


async def test_nobody_approves_their_own_request(company, asked):
    """Not as oneself, even when one owns the database."""
    company.identity.add(person("dana", "engineers", "on-call", "db-owners"))
    with pytest.raises(DeniedError):
        await review_request(company.around, company.dana, yes(asked))


async def test_a_robot_of_the_requester_cannot_approve(company, asked):
    """An agent acts for its person, and is no person."""
    robot = person("robot", "db-owners", kind=PrincipalKind.AGENT, acts_for=company.dana.id)
    company.identity.add(robot)
    with pytest.raises(DeniedError):
        await review_request(company.around, robot, yes(asked))


async def test_someone_without_the_right_cannot_approve(company, asked):
    """Another engineer's yes is refused, not merely uncounted."""
    with pytest.raises(PolicyDeniedError):
        await review_request(company.around, company.eve, yes(asked))


async def test_an_approval_of_other_content_is_refused(company, asked):
    """The reviewer must name the digest of what is on the table now."""
    other = Review(grant_id=asked.grant.id, digest="sha256:" + "0" * 64, verdict=Verdict.APPROVE)
    with pytest.raises(ConflictError, match="changed"):
        await review_request(company.around, company.omar, other)


async def test_an_edit_voids_approvals(company, asked):
    """After an edit, the old yes counts for nothing and cannot be given again."""
    await review_request(company.around, company.omar, yes(asked))
    edited = await revise_request(
        company.around, company.dana, asked.grant.id, company.ask("emails", minutes=30)
    )
    assert edited.grant.state is GrantState.PENDING
    with pytest.raises(ConflictError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    with pytest.raises(ConflictError):
        await review_request(company.around, company.omar, yes(asked))
    grant = await review_request(company.around, company.omar, yes(edited))
    assert grant.state is GrantState.APPROVED
    assert grant.duration == timedelta(minutes=30)


async def test_a_reviewer_says_it_once(company, asked):
    """The same verdict sent twice has one effect."""
    await review_request(company.around, company.omar, yes(asked))
    with pytest.raises(ConflictError):
        await review_request(company.around, company.omar, yes(asked))


async def test_a_no_is_final(company, asked):
    """A denied request cannot be approved, edited or activated."""
    grant = await review_request(company.around, company.omar, no(asked))
    assert grant.state is GrantState.DENIED
    with pytest.raises(ConflictError):
        await review_request(company.around, company.omar, yes(asked))
    with pytest.raises(ConflictError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_reviewer_who_lost_the_right_no_longer_counts(company, asked):
    """The quorum is counted again, with the groups of that moment, when the grant is activated."""
    await review_request(company.around, company.omar, yes(asked))
    company.identity.add(person("omar", "engineers"))
    with pytest.raises(DeniedError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_an_approval_that_policy_would_no_longer_take_does_not_count(company, asked):
    """In the same group as ever, but the rules of that moment let nobody approve."""
    await review_request(company.around, company.omar, yes(asked))
    before = company.around.policy

    class NobodyApproves:
        """The same rules, but for one."""

        def decide(self, question):
            """Deny to approve."""
            answer = before.decide(question)
            if question.action is PolicyAction.APPROVE:
                return replace(answer, outcome=Outcome.DENIED)
            return answer

    around = replace(company.around, policy=NobodyApproves())
    with pytest.raises(DeniedError):
        await activate_grant(around, company.dana, asked.grant.id, PUBLIC_HALF)
    await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_reviewer_who_left_no_longer_counts(company, asked):
    """A disabled approver's yes is worth nothing from then on."""
    await review_request(company.around, company.omar, yes(asked))
    company.identity.disable(company.omar.id)
    with pytest.raises(DeniedError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_requester_who_lost_the_right_gets_nothing(company, asked):
    """Approved or not, policy is asked again about the requester of now."""
    await review_request(company.around, company.omar, yes(asked))
    company.identity.add(person("dana"))
    with pytest.raises(PolicyDeniedError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_approving_at_the_moment_of_lapse_is_too_late(company, asked):
    """The deadline is inclusive."""
    company.clock.advance(company.around.limits.request_lapses_after)
    with pytest.raises(ExpiredError):
        await review_request(company.around, company.omar, yes(asked))


async def test_reviewing_what_does_not_exist_says_so(company, asked):
    """An unknown id is not found."""
    ghost = Review(
        grant_id=company.around.randomness.grant_id(company.clock.now()),
        digest=asked.revision.digest,
        verdict=Verdict.APPROVE,
    )
    with pytest.raises(NotFoundError):
        await review_request(company.around, company.omar, ghost)


class TestExtending:
    """An extension is a new decision on the same grant, before it ends."""

    async def active(self, company, what):
        """An active grant of Dana's, approved by Omar if need be."""
        asked = await request_access(company.around, company.dana, company.ask(what))
        if asked.grant.state is GrantState.PENDING:
            await review_request(company.around, company.omar, yes(asked))
        grant = await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
        await company.reconciler.run_once()
        return grant

    async def test_an_approved_extension_reaches_the_target(self, company):
        """Proposed, approved, told to the target; the old deadline no longer ends it."""
        grant = await self.active(company, "emails")
        company.clock.advance(timedelta(minutes=10))
        longer = await extend_grant(
            company.around, company.dana, grant.id, timedelta(minutes=15), "needs longer"
        )
        assert longer.grant.expires_at == grant.expires_at
        await review_request(company.around, company.omar, yes(longer))
        await company.reconciler.run_once()
        assert company.target.grants[grant.id].expires_at == grant.expires_at + timedelta(
            minutes=15
        )
        company.clock.advance(timedelta(minutes=6))
        await company.reconciler.run_once()
        assert grant.id in company.target.grants

    async def test_an_extension_not_approved_in_time_changes_nothing(self, company):
        """The grant ends at its own end, and the late yes is refused."""
        grant = await self.active(company, "emails")
        longer = await extend_grant(company.around, company.dana, grant.id, timedelta(minutes=15))
        company.clock.advance(timedelta(minutes=15))
        with pytest.raises(ExpiredError):
            await review_request(company.around, company.omar, yes(longer))
        await company.reconciler.run_once()
        assert company.target.grants == {}

    async def test_extending_at_the_moment_of_expiry_is_too_late(self, company):
        """At E there is nothing to extend, reconciled or not."""
        grant = await self.active(company, "orders")
        company.clock.advance(timedelta(minutes=15))
        with pytest.raises(ExpiredError):
            await extend_grant(company.around, company.dana, grant.id, timedelta(minutes=5))

    async def test_the_ceiling_holds_for_the_total(self, company):
        """Four times fifteen minutes is the hour; a fifth is too much."""
        grant = await self.active(company, "orders")
        with pytest.raises(PolicyDeniedError):
            await extend_grant(company.around, company.dana, grant.id, timedelta(minutes=46))

    async def test_a_refused_extension_leaves_the_grant(self, company):
        """A no to more time is not a no to the time already given."""
        grant = await self.active(company, "emails")
        longer = await extend_grant(company.around, company.dana, grant.id, timedelta(minutes=15))
        after = await review_request(company.around, company.omar, no(longer))
        assert after.state is GrantState.ACTIVE
        assert after.expires_at == grant.expires_at
        again = await extend_grant(company.around, company.dana, grant.id, timedelta(minutes=5))
        assert again.revision.number == longer.revision.number + 1

    async def test_an_ended_grant_cannot_be_extended(self, company):
        """Over is over."""
        grant = await self.active(company, "orders")
        await end_grant(company.around, company.dana, grant.id)
        with pytest.raises(ConflictError):
            await extend_grant(company.around, company.dana, grant.id, timedelta(minutes=5))
