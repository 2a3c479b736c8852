"""Stages, managers, delegations and aliases, over the real rules and use cases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.approvals import Verdict
from protem.domain.decisions import PolicyDeniedError
from protem.domain.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from protem.domain.grants import GrantState
from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalId, PrincipalKind
from protem.services.activate_grant import activate_grant
from protem.services.manage_delegations import (
    DelegationAsked,
    add_delegation,
    end_delegation,
    list_delegations,
)
from protem.services.request_access import request_access
from protem.services.review_request import NotYourTurnError, review_request
from protem.services.view_grants import GrantFilter, list_grants, view_grant

from .conftest import PUBLIC_HALF, person
from .review_company import MANAGER, OWNERS, TWO_STAGES, ask, hire, under, yes


class TestStages:
    """One stage after the other."""

    @pytest.fixture
    async def asked(self, company):
        """A request that needs an owner, then security."""
        under(company, TWO_STAGES)
        return await ask(company)

    async def test_a_later_stage_waits_but_may_refuse(self, company, asked):
        """A yes out of turn is refused with whom it waits for; a no is taken at any time."""
        sam = hire(company, "sam", "security")
        with pytest.raises(NotYourTurnError, match="1 of db-owners"):
            await review_request(company.around, sam, yes(asked))
        grant = await review_request(company.around, sam, yes(asked, Verdict.DENY))
        assert grant.state is GrantState.DENIED

    async def test_both_stages_in_order_approve(self, company, asked):
        """After the owner it is security's turn, and then it can be used."""
        sam = hire(company, "sam", "security")
        grant = await review_request(company.around, company.omar, yes(asked))
        assert grant.state is GrantState.PENDING
        grant = await review_request(company.around, sam, yes(asked))
        assert grant.state is GrantState.APPROVED
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)

    async def test_the_page_says_whose_turn_it_is(self, company, asked):
        """The later reviewer sees the request, and that it does not wait for them yet."""
        sam = hire(company, "sam", "security")
        seen = (await view_grant(company.around, sam, asked.grant.id)).current.progress.to_json()
        assert (seen["stage"], seen["stages"]) == (1, [1, 2])
        assert [need["groups"] for need in seen["asked_now"]] == [["db-owners"]]
        assert [need["groups"] for need in seen["asked_later"]] == [["security"]]
        waiting = GrantFilter(to_review=True)
        assert not (await list_grants(company.around, sam, waiting)).views
        await review_request(company.around, company.omar, yes(asked))
        assert (await list_grants(company.around, sam, waiting)).views

    async def test_a_first_stage_that_falls_away_stops_the_use(self, company, asked):
        """All stages are counted again when the grant is activated."""
        sam = hire(company, "sam", "security")
        await review_request(company.around, company.omar, yes(asked))
        await review_request(company.around, sam, yes(asked))
        company.identity.add(person("omar", "engineers"))
        with pytest.raises(DeniedError):
            await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


class TestManager:
    """The requester's manager."""

    async def test_only_the_manager_fills_the_place(self, company):
        """An owner may say yes, but it is not the manager's."""
        under(company, MANAGER)
        mia = hire(company, "mia")
        company.dana = hire(company, "dana", "engineers", manager=mia.id)
        asked = await ask(company)
        grant = await review_request(company.around, company.omar, yes(asked))
        assert grant.state is GrantState.PENDING
        grant = await review_request(company.around, mia, yes(asked))
        assert grant.state is GrantState.APPROVED

    async def test_without_a_manager_it_says_whom_to_ask(self, company):
        """The place cannot be filled, so the request is refused at once."""
        under(company, MANAGER)
        with pytest.raises(PolicyDeniedError, match="none is known; ask whoever keeps accounts"):
            await ask(company)

    async def test_nobody_is_their_own_manager(self, company):
        """A record that says so is as none."""
        under(company, MANAGER)
        company.dana = hire(company, "dana", "engineers", manager=company.dana.id)
        with pytest.raises(PolicyDeniedError):
            await ask(company)


class TestDelegation:
    """Standing in for somebody."""

    async def stand_in(self, company, delegator, delegate, *, hours=24, group=None):
        """Let one stand in for another."""
        until = company.clock.now() + timedelta(hours=hours)
        wanted = DelegationAsked(delegate=delegate.id, until=until, group=group)
        return await add_delegation(company.around, delegator, wanted)

    async def test_a_delegate_fills_the_delegators_place_until_its_end(self, company):
        """By the delegator's groups, on record for whom, and not a moment longer."""
        under(company, OWNERS)
        await self.stand_in(company, company.omar, company.eve, hours=1)
        asked = await ask(company)
        assert (await view_grant(company.around, company.eve, asked.grant.id)).grant
        grant = await review_request(company.around, company.eve, yes(asked))
        assert grant.state is GrantState.APPROVED
        entry = (await company.entries())[-1]
        assert entry["data"]["stood_in_for"] == ["local|omar"]
        company.clock.advance(timedelta(hours=1))
        with pytest.raises((DeniedError, ConflictError)):
            await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
        again = await ask(company)
        with pytest.raises(DeniedError):
            await review_request(company.around, company.eve, yes(again))

    async def test_not_for_the_delegators_own_request(self, company):
        """Whom one lets stand in cannot approve what one asks oneself."""
        under(company, OWNERS)
        company.dana = hire(company, "dana", "engineers", "db-owners")
        await self.stand_in(company, company.dana, company.eve)
        asked = await ask(company)
        with pytest.raises(DeniedError):
            await review_request(company.around, company.eve, yes(asked))

    async def test_not_for_the_delegates_own_request(self, company):
        """Standing in for the owner does not let one approve oneself."""
        under(company, OWNERS)
        await self.stand_in(company, company.omar, company.dana)
        asked = await ask(company)
        with pytest.raises(DeniedError, match="own request"):
            await review_request(company.around, company.dana, yes(asked))

    async def test_delegator_and_delegate_fill_one_place(self, company):
        """Two people, one authority: where two owners are asked, they are one of them."""
        under(company, OWNERS.replace('"1"', '"2"'))
        await self.stand_in(company, company.omar, company.eve)
        asked = await ask(company)
        await review_request(company.around, company.omar, yes(asked))
        with pytest.raises(DeniedError, match="omar, for whom you stand in"):
            await review_request(company.around, company.eve, yes(asked))

    async def test_when_the_delegator_answers_later_the_place_stays_one(self, company):
        """The delegate's yes gives way to the owner's own."""
        under(company, OWNERS.replace('"1"', '"2"'))
        await self.stand_in(company, company.omar, company.eve)
        asked = await ask(company)
        await review_request(company.around, company.eve, yes(asked))
        grant = await review_request(company.around, company.omar, yes(asked))
        assert grant.state is GrantState.PENDING

    async def test_what_is_lent_is_not_lent_on(self, company):
        """A delegate's delegate has only the delegate's own groups."""
        under(company, OWNERS)
        zoe = hire(company, "zoe")
        await self.stand_in(company, company.omar, company.eve)
        await self.stand_in(company, company.eve, zoe)
        asked = await ask(company)
        with pytest.raises(DeniedError):
            await review_request(company.around, zoe, yes(asked))

    async def test_one_group_is_lent_alone(self, company):
        """The other groups of the delegator stay their own, and so does a place by name."""
        under(company, OWNERS)
        company.omar = hire(company, "omar", "db-owners", "security")
        await self.stand_in(company, company.omar, company.eve, group=GroupName("security"))
        asked = await ask(company)
        grant = await review_request(company.around, company.eve, yes(asked))
        assert grant.state is GrantState.PENDING
        with pytest.raises(InvalidError, match="not in admins"):
            await self.stand_in(company, company.omar, company.eve, group=GroupName("admins"))

    async def test_the_delegate_of_a_manager_stands_in_by_name(self, company):
        """A delegation of everything reaches the place that names the delegator."""
        under(company, MANAGER)
        mia = hire(company, "mia")
        company.dana = hire(company, "dana", "engineers", manager=mia.id)
        await self.stand_in(company, mia, company.eve)
        asked = await ask(company)
        grant = await review_request(company.around, company.eve, yes(asked))
        assert grant.state is GrantState.APPROVED

    async def test_a_delegator_who_left_lends_nothing(self, company):
        """Groups are those of now: a disabled owner's delegate is nobody here."""
        under(company, OWNERS)
        await self.stand_in(company, company.omar, company.eve)
        asked = await ask(company)
        company.identity.disable(company.omar.id)
        with pytest.raises(DeniedError):
            await review_request(company.around, company.eve, yes(asked))

    async def test_it_can_be_seen_and_ended_by_its_two_ends_alone(self, company):
        """A stranger can neither see nor end it; ended twice is ended once."""
        made = await self.stand_in(company, company.omar, company.eve)
        assert await self.stand_in(company, company.omar, company.eve) == made
        zoe = hire(company, "zoe")
        assert not await list_delegations(company.around, zoe)
        with pytest.raises(NotFoundError):
            await end_delegation(company.around, zoe, made.id)
        assert await list_delegations(company.around, company.eve) == [made]
        ended = await end_delegation(company.around, company.eve, made.id)
        assert await end_delegation(company.around, company.omar, made.id) == ended
        assert not await list_delegations(company.around, company.omar)

    @pytest.mark.parametrize("hours", [-1, 0, 24 * 91])
    async def test_an_end_that_is_none_is_refused(self, company, hours):
        """It ends in the future, and within reach."""
        with pytest.raises(InvalidError):
            await self.stand_in(company, company.omar, company.eve, hours=hours)

    async def test_robots_neither_lend_nor_borrow(self, company):
        """An agent is no person; and one is no other person than oneself."""
        robot = hire(company, "robot", kind=PrincipalKind.AGENT, acts_for=company.omar.id)
        with pytest.raises(InvalidError):
            await self.stand_in(company, company.omar, robot)
        with pytest.raises(DeniedError):
            await self.stand_in(company, robot, company.eve)
        with pytest.raises(InvalidError):
            await self.stand_in(company, company.omar, company.omar)


class TestAliases:
    """Two identities of one person are one person, on every path."""

    @pytest.fixture
    def alias(self, company):
        """Dana's second account, at another issuer, among the owners."""
        known = replace(
            person("x", "db-owners", "engineers"),
            id=PrincipalId(issuer="https://login.example", subject="42"),
            alias_of=company.dana.id,
        )
        company.identity.add(known)
        return known

    async def test_an_alias_approves_nothing_of_its_own(self, company, alias):
        """Neither dana's request by the alias, nor the alias's by dana."""
        under(company, OWNERS)
        asked = await ask(company)
        with pytest.raises(DeniedError, match="own request"):
            await review_request(company.around, alias, yes(asked))
        company.dana = hire(company, "dana", "engineers", "db-owners")
        theirs = await request_access(company.around, alias, company.ask("emails"))
        with pytest.raises(DeniedError, match="own request"):
            await review_request(company.around, company.dana, yes(theirs))

    async def test_an_agent_of_an_alias_is_the_person(self, company, alias):
        """Robot, alias, person: all the same."""
        under(company, OWNERS)
        robot = hire(
            company, "robot", "engineers", kind=PrincipalKind.AGENT, acts_for=alias.id,
            alias_of=company.dana.id,
        )  # fmt: skip
        company.identity.add(person("dana", "db-owners"))
        asked = await request_access(company.around, robot, company.ask("emails"))
        with pytest.raises(DeniedError, match="own request"):
            await review_request(company.around, company.dana, yes(asked))
        with pytest.raises(DeniedError, match="own request"):
            await review_request(company.around, alias, yes(asked))

    async def test_an_alias_cannot_stand_in_for_its_person(self, company, alias):
        """Nor does standing in for an alias help one's own request."""
        under(company, OWNERS)
        until = company.clock.now() + timedelta(hours=1)
        with pytest.raises(InvalidError):
            await add_delegation(
                company.around, alias, DelegationAsked(delegate=company.dana.id, until=until)
            )
        await add_delegation(
            company.around, alias, DelegationAsked(delegate=company.eve.id, until=until)
        )
        asked = await ask(company)
        with pytest.raises(DeniedError):
            await review_request(company.around, company.eve, yes(asked))

    async def test_two_aliases_fill_one_place(self, company):
        """Two yeses of one owner are one."""
        under(company, OWNERS.replace('"1"', '"2"'))
        other = replace(
            person("o", "db-owners"),
            id=PrincipalId(issuer="https://login.example", subject="7"),
            alias_of=company.omar.id,
        )
        company.identity.add(other)
        asked = await ask(company)
        await review_request(company.around, company.omar, yes(asked))
        with pytest.raises(ConflictError, match="has given a verdict"):
            await review_request(company.around, other, yes(asked))


class TestLasting:
    """How long a yes counts, by rule."""

    async def test_a_rule_says_how_long_a_yes_counts(self, company):
        """Shorter than the setting, for each yes from when it was given."""
        under(company, OWNERS.replace('@approvals("1")', '@approvals("2") @approval_lasts("30m")'))
        asked = await ask(company)
        first = company.clock.now()
        await review_request(company.around, company.omar, yes(asked))
        company.clock.advance(timedelta(minutes=20))
        grant = await review_request(company.around, hire(company, "olga", "db-owners"), yes(asked))
        assert grant.lapses_at == first + timedelta(minutes=30)
        company.clock.advance(timedelta(minutes=10))
        with pytest.raises(ConflictError, match="lapsed"):
            await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)

    async def test_a_yes_that_is_too_old_no_longer_counts(self, company):
        """The second yes comes when the first is void: it still waits for one."""
        under(company, OWNERS.replace('@approvals("1")', '@approvals("2") @approval_lasts("30m")'))
        asked = await ask(company)
        await review_request(company.around, company.omar, yes(asked))
        company.clock.advance(timedelta(minutes=30))
        grant = await review_request(company.around, hire(company, "olga", "db-owners"), yes(asked))
        assert grant.state is GrantState.PENDING
