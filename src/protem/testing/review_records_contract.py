"""What every store promises of offers, comments, delegations and the answers of rotas.

Here: the promises of ``ports.review_records``. Not here: the rest of a store
(``store_contract``), which this is run beside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from protem.domain.comments import Comment
from protem.domain.delegations import Delegation, DelegationId
from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.identifiers import GroupName
from protem.domain.offers import Offer
from protem.domain.oncall import OncallAnswer, ScheduleName, Shift
from protem.domain.principals import Principal
from protem.ports.store import Account, Store, Transaction
from protem.testing.store_samples import (
    ANNA,
    BEN,
    HOSTILE,
    MINUTE,
    START,
    Roll,
    grant_id,
    pending,
    revision,
)

OFFER = Offer(grant_id=grant_id(1), revision=2, base_revision=1, by=BEN, at=START)
COMMENT = Comment(grant_id=grant_id(1), number=1, author=BEN, at=START, text=HOSTILE)
DELEGATION = Delegation(
    id=DelegationId(grant_id(7)),
    delegator=ANNA,
    delegate=BEN,
    made_at=START,
    until=START + 60 * MINUTE,
    group=GroupName("db-owners"),
)
ANSWER = OncallAnswer(
    schedule=ScheduleName("db"),
    as_of=START,
    until=START + 60 * MINUTE,
    shifts=(Shift(person=ANNA, starts=START, ends=START + MINUTE),),
    unknown=("somebody@example.com",),
)


def refused(work: Callable[[Transaction], object]) -> Callable[[Transaction], None]:
    """Return work that passes when ``work`` raises ``ConflictError``."""

    def look(transaction: Transaction) -> None:
        with pytest.raises(ConflictError):
            work(transaction)
        raise Roll

    return look


class ReviewRecordsContract:
    """Override ``store``."""

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        """Override: yield an empty store and close it."""
        pytest.fail("a contract needs a store")
        yield  # type: ignore[unreachable]  # makes this the generator that overrides are

    async def _asked(self, store: Store) -> None:
        def work(transaction: Transaction) -> None:
            transaction.grants.add(pending(1))
            for number in (1, 2):
                transaction.requests.add(revision(number))

        await store.write(work)

    async def test_offers_come_back_in_order(self, store: Store) -> None:
        """Those of one request, whole."""
        await self._asked(store)
        await store.write(lambda tx: tx.offers.add(OFFER))
        assert await store.read(lambda tx: tx.offers.of(grant_id(1))) == (OFFER,)
        assert await store.read(lambda tx: tx.offers.of(grant_id(2))) == ()

    @pytest.mark.parametrize("offer", [OFFER, replace(OFFER, revision=3)])
    async def test_an_offer_is_of_a_stored_revision_once(self, store: Store, offer: Offer) -> None:
        """A second offer of the same revision, and one of none, are conflicts."""
        await self._asked(store)
        await store.write(lambda tx: tx.offers.add(OFFER))
        with pytest.raises(Roll):
            await store.write(refused(lambda tx: tx.offers.add(offer)))

    async def test_comments_come_back_in_order(self, store: Store) -> None:
        """Hostile text is only text."""
        await self._asked(store)
        second = replace(COMMENT, number=2, text="and?")
        for comment in (second, COMMENT):
            await store.write(lambda tx, one=comment: tx.comments.add(one))  # type: ignore[misc]  # mypy infers no lambda defaults
        assert await store.read(lambda tx: tx.comments.of(grant_id(1))) == (COMMENT, second)

    @pytest.mark.parametrize("comment", [COMMENT, replace(COMMENT, grant_id=grant_id(9))])
    async def test_a_comment_has_a_number_and_a_grant_of_its_own(
        self, store: Store, comment: Comment
    ) -> None:
        """The same number again, and a comment on nothing, are conflicts."""
        await self._asked(store)
        await store.write(lambda tx: tx.comments.add(COMMENT))
        with pytest.raises(Roll):
            await store.write(refused(lambda tx: tx.comments.add(comment)))

    async def test_delegations_count_until_their_end(self, store: Store) -> None:
        """From when they were made, to their end or to when they were ended, not including it."""
        await store.write(lambda tx: tx.delegations.put(DELEGATION))

        async def found(minutes: int) -> list[Delegation]:
            moment = START + minutes * MINUTE
            return list(await store.read(lambda tx: tx.delegations.to(BEN, at=moment)))

        assert [bool(await found(minutes)) for minutes in (-1, 0, 59, 60)] == [
            False,
            True,
            True,
            False,
        ]
        assert await store.read(lambda tx: tx.delegations.to(ANNA, at=START)) == ()
        ended = replace(DELEGATION, ended_at=START + 5 * MINUTE)
        await store.write(lambda tx: tx.delegations.put(ended))
        assert [bool(await found(minutes)) for minutes in (4, 5)] == [True, False]
        assert await store.read(lambda tx: tx.delegations.get(DELEGATION.id)) == ended
        assert await store.read(lambda tx: tx.delegations.list(after=START)) == (ended,)
        assert await store.read(lambda tx: tx.delegations.list(after=DELEGATION.until)) == ()

    async def test_an_unknown_delegation_is_not_found(self, store: Store) -> None:
        """By its error."""
        with pytest.raises(NotFoundError):
            await store.read(lambda tx: tx.delegations.get(DELEGATION.id))

    async def test_the_last_answer_is_kept(self, store: Store) -> None:
        """A later one replaces it, an earlier one does not."""
        later = replace(ANSWER, as_of=START + MINUTE, shifts=(), unknown=())
        for answer, kept in ((ANSWER, ANSWER), (later, later), (ANSWER, later)):
            await store.write(lambda tx, one=answer: tx.oncall.put(one))  # type: ignore[misc]  # mypy infers no lambda defaults
            assert await store.read(lambda tx: tx.oncall.list()) == (kept,)

    async def test_an_account_keeps_its_manager(self, store: Store) -> None:
        """And loses it when it is put without."""
        principal = Principal(id=ANNA, display="Anna")
        for account in (Account(principal=principal, manager=BEN), Account(principal=principal)):
            await store.write(lambda tx, one=account: tx.accounts.put(one))  # type: ignore[misc]  # mypy infers no lambda defaults
            assert await store.read(lambda tx: tx.accounts.get(ANNA)) == account
