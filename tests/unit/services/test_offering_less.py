"""Offers and comments, over the real rules and use cases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.approval_signatures import SignatureRequiredError
from protem.domain.approvals import Verdict
from protem.domain.comments import MAX_COMMENTS
from protem.domain.decisions import PolicyDeniedError
from protem.domain.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from protem.domain.grants import GrantState
from protem.domain.offers import MAX_OFFERS, Narrowing
from protem.domain.scopes import Scope
from protem.services.activate_grant import activate_grant
from protem.services.comment_request import comment_request
from protem.services.offer_narrower import OfferMade, accept_offer, offer_narrower
from protem.services.review_request import NotYourTurnError, Review, review_request
from protem.services.revise_request import revise_request
from protem.services.view_grants import view_grant

from .conftest import PUBLIC_HALF, column, person
from .review_company import OWNERS, TWO_STAGES, ask, hire, under, yes


class TestOffers:
    """Less instead of no."""

    @pytest.fixture
    async def asked(self, company):
        """Dana's request, which needs one owner."""
        under(company, OWNERS)
        return await ask(company, "orders")

    def shorter(self, asked, minutes=10, **facts):
        """An offer of less time."""
        narrowing = Narrowing(duration=timedelta(minutes=minutes), **facts)
        return OfferMade(grant_id=asked.grant.id, digest=asked.revision.digest, narrowing=narrowing)

    async def offers(self, company, asked):
        """The offers that the requester sees."""
        return (await view_grant(company.around, company.dana, asked.grant.id)).offers

    async def test_an_accepted_offer_is_the_request_and_is_approved(self, company, asked):
        """With the offerer's yes for exactly that, and nothing wider can be activated."""
        without = Scope([column("orders", "status")])
        await offer_narrower(company.around, company.omar, self.shorter(asked, without=without))
        (offer,) = await self.offers(company, asked)
        assert offer.revision.number == 2
        grant = await accept_offer(
            company.around, company.dana, asked.grant.id, offer.revision.digest
        )
        assert grant.state is GrantState.APPROVED
        active = await activate_grant(company.around, company.dana, grant.id, PUBLIC_HALF)
        assert active.expires_at - active.activated_at == timedelta(minutes=10)
        assert active.order.order.scope == Scope([column("orders", "id")])
        assert active.order.order.request_digest == offer.revision.digest
        kinds = [entry["kind"] for entry in await company.entries()]
        assert kinds == [
            "request.created", "request.offered", "request.narrowed", "request.quorate",
            "grant.activated",
        ]  # fmt: skip

    async def test_an_offer_changes_nothing_until_it_is_taken(self, company, asked):
        """The request stays as it was asked, and another owner may approve it whole."""
        await offer_narrower(company.around, company.omar, self.shorter(asked))
        olga = hire(company, "olga", "db-owners")
        grant = await review_request(company.around, olga, yes(asked))
        assert (grant.state, grant.duration) == (GrantState.APPROVED, timedelta(minutes=15))
        assert not await self.offers(company, asked)

    async def test_other_approvals_are_void(self, company):
        """Where two are asked, an accepted offer brings one yes, its own."""
        under(company, OWNERS.replace('"1"', '"2"'))
        asked = await ask(company, "orders")
        olga = hire(company, "olga", "db-owners")
        await review_request(company.around, olga, yes(asked))
        await offer_narrower(company.around, company.omar, self.shorter(asked))
        (offer,) = await self.offers(company, asked)
        grant = await accept_offer(
            company.around, company.dana, asked.grant.id, offer.revision.digest
        )
        assert grant.state is GrantState.PENDING
        review = Review(grant_id=grant.id, digest=offer.revision.digest, verdict=Verdict.APPROVE)
        assert (await review_request(company.around, olga, review)).state is GrantState.APPROVED

    async def test_only_the_requester_takes_it_and_only_while_it_stands(self, company, asked):
        """Not the offerer, not after an edit, not another digest."""
        await offer_narrower(company.around, company.omar, self.shorter(asked))
        (offer,) = await self.offers(company, asked)
        digest = offer.revision.digest
        with pytest.raises(NotFoundError):
            await accept_offer(company.around, company.omar, asked.grant.id, digest)
        with pytest.raises(ConflictError):
            await accept_offer(company.around, company.dana, asked.grant.id, asked.revision.digest)
        await revise_request(
            company.around, company.dana, asked.grant.id, company.ask("orders", minutes=20)
        )
        assert not await self.offers(company, asked)
        with pytest.raises(ConflictError, match="no such offer"):
            await accept_offer(company.around, company.dana, asked.grant.id, digest)

    async def test_who_may_not_approve_may_not_offer(self, company, asked):
        """A stranger, the requester, and whose turn it is not."""
        with pytest.raises(PolicyDeniedError):
            await offer_narrower(company.around, company.eve, self.shorter(asked))
        with pytest.raises(DeniedError, match="own request"):
            await offer_narrower(company.around, company.dana, self.shorter(asked))
        under(company, TWO_STAGES)
        sam = hire(company, "sam", "security")
        with pytest.raises(NotYourTurnError):
            await offer_narrower(company.around, sam, self.shorter(asked))

    async def test_the_offerer_who_lost_the_right_brings_no_yes(self, company, asked):
        """The yes in an offer is counted by the groups of the moment it is taken."""
        await offer_narrower(company.around, company.omar, self.shorter(asked))
        (offer,) = await self.offers(company, asked)
        company.identity.add(person("omar"))
        grant = await accept_offer(
            company.around, company.dana, asked.grant.id, offer.revision.digest
        )
        assert grant.state is GrantState.PENDING

    async def test_where_a_yes_is_signed_an_unsigned_offer_is_refused(self, company):
        """Taken without a signature it could never count, and its reviewer has one yes only."""
        under(company, OWNERS.replace('@approvals("1")', '@approvals("1") @signed("required")'))
        asked = await ask(company, "orders")
        with pytest.raises(SignatureRequiredError):
            await offer_narrower(company.around, company.omar, self.shorter(asked))
        assert not await self.offers(company, asked)

    async def test_offers_are_few(self, company, asked):
        """A flood of them ends."""
        for seconds in range(MAX_OFFERS):
            narrowing = Narrowing(duration=timedelta(seconds=seconds + 1))
            await offer_narrower(
                company.around, company.omar, replace(self.shorter(asked), narrowing=narrowing)
            )
        with pytest.raises(ConflictError, match="offers"):
            await offer_narrower(company.around, company.omar, self.shorter(asked))


class TestComments:
    """Remarks without a verdict."""

    @pytest.fixture
    async def asked(self, company):
        """Dana's request."""
        under(company, OWNERS)
        return await ask(company)

    async def test_they_are_kept_shown_and_logged(self, company, asked):
        """Whoever may see the request may say something and reads all of it, hostile or not."""
        hostile = "why?\x1b[2J<script>alert(1)</script>\u202e"
        await comment_request(company.around, company.omar, asked.grant.id, "why?")
        await comment_request(company.around, company.dana, asked.grant.id, hostile)
        seen = (await view_grant(company.around, company.dana, asked.grant.id)).comments
        assert [(one.number, one.text) for one in seen] == [(1, "why?"), (2, hostile)]
        entry = (await company.entries())[-1]
        assert (entry["kind"], entry["seq"]) == ("request.commented", 3)

    async def test_a_stranger_says_nothing(self, company, asked):
        """What one may not see is as absent as what never was."""
        with pytest.raises(NotFoundError):
            await comment_request(company.around, company.eve, asked.grant.id, "hello")

    @pytest.mark.parametrize("text", ["", " \n", "x" * 2_001, "a\0b", "\ud800"])
    async def test_bad_text_is_refused(self, company, asked, text):
        """Empty, too long, NUL, no Unicode."""
        with pytest.raises(InvalidError):
            await comment_request(company.around, company.omar, asked.grant.id, text)

    async def test_they_end(self, company, asked):
        """Neither a flood nor a remark on what is over."""
        for _ in range(MAX_COMMENTS):
            await comment_request(company.around, company.omar, asked.grant.id, "again")
        with pytest.raises(ConflictError, match="comments"):
            await comment_request(company.around, company.omar, asked.grant.id, "again")
        await review_request(company.around, company.omar, yes(asked, Verdict.DENY))
        with pytest.raises(ConflictError, match="nothing left to say"):
            await comment_request(company.around, company.omar, asked.grant.id, "late")
