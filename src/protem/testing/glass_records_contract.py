"""What every store promises of broken glass and of codes; part of ``store_contract``."""

from __future__ import annotations

import pytest

from protem.domain.broken_glass import BrokenGlass, GlassReview, GlassVerdict
from protem.domain.errors import ConflictError, NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal, PrincipalId
from protem.ports.store import Account, Store
from protem.testing.store_samples import ANNA, BEN, MINUTE, ORDERS_DB, START, grant_id, pending

FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))


def broken(number: int = 1, *, review: GlassReview | None = None) -> BrokenGlass:
    """Return a break of the glass by Anna."""
    return BrokenGlass(
        grant_id=grant_id(number),
        person=ANNA,
        target=ORDERS_DB,
        broken_at=START,
        review_within=60 * MINUTE,
        review=review,
    )


def review_by(reviewer: PrincipalId = BEN, person: PrincipalId | None = None) -> GlassReview:
    """Return a verdict."""
    return GlassReview(
        reviewer=reviewer,
        reviewer_person=person or reviewer,
        verdict=GlassVerdict.NOT_JUSTIFIED,
        comment="the site was up",
        at=START + MINUTE,
    )


async def _with_breaks(store: Store, *numbers: int) -> None:
    for number in numbers:
        await store.write(lambda tx, n=number: tx.grants.add(pending(n)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await store.write(lambda tx, n=number: tx.glass.add(broken(n)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default


async def _with_accounts(store: Store) -> None:
    for owner in (ANNA, BEN):
        account = Account(principal=Principal(id=owner, display=""))
        await store.write(lambda tx, account=account: tx.accounts.put(account))  # type: ignore[misc]  # mypy cannot infer a lambda with a default


class StoreGlassContract:
    """Broken glass and codes."""

    async def test_a_break_of_the_glass_comes_back_whole(self, store: Store) -> None:
        """As it was added, once for a stored grant."""
        await _with_breaks(store, 1)
        assert await store.read(lambda tx: tx.glass.get(grant_id(1))) == broken()
        for number in (1, 2):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, n=number: tx.glass.add(broken(n)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        with pytest.raises(NotFoundError):
            await store.read(lambda tx: tx.glass.get(grant_id(2)))

    async def test_it_is_reviewed_once(self, store: Store) -> None:
        """The second verdict is refused, whatever it says, and the first stays."""
        await _with_breaks(store, 1)
        await store.write(lambda tx: tx.glass.review(grant_id(1), review_by()))
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.glass.review(grant_id(1), review_by()))
        kept = await store.read(lambda tx: tx.glass.get(grant_id(1)))
        assert kept == broken(review=review_by())

    async def test_nobody_reviews_their_own(self, store: Store) -> None:
        """Neither as themselves nor by an alias of the same person."""
        await _with_breaks(store, 1)
        alias = PrincipalId(issuer="https://elsewhere", subject="anna")
        for review in (review_by(ANNA), review_by(alias, ANNA)):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, r=review: tx.glass.review(grant_id(1), r))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def test_open_ones_are_listed_oldest_first(self, store: Store) -> None:
        """All of them newest first, reviewed or not; the limit holds for both."""
        await _with_breaks(store, 1, 2, 3)
        await store.write(lambda tx: tx.glass.review(grant_id(2), review_by()))
        owed = await store.read(lambda tx: tx.glass.list(open_only=True))
        assert [found.grant_id for found in owed] == [grant_id(1), grant_id(3)]
        every = await store.read(lambda tx: tx.glass.list(open_only=False))
        assert [found.grant_id for found in every] == [grant_id(n) for n in (3, 2, 1)]
        assert len(await store.read(lambda tx: tx.glass.list(open_only=True, limit=1))) == 1

    async def test_a_code_is_used_once(self, store: Store) -> None:
        """Looking uses nothing up; using does, and the others stay."""
        await _with_accounts(store)
        until = START + 60 * MINUTE
        await store.write(
            lambda tx: tx.glass_codes.replace(ANNA, [FIRST, SECOND], expires_at=until)
        )
        for _ in range(2):
            assert await store.read(lambda tx: tx.glass_codes.owner_of(FIRST, now=START)) == ANNA
        assert await store.write(lambda tx: tx.glass_codes.use(FIRST, now=START)) == ANNA
        with pytest.raises(UnauthenticatedError):
            await store.write(lambda tx: tx.glass_codes.use(FIRST, now=START))
        assert await store.read(lambda tx: tx.glass_codes.owner_of(FIRST, now=START)) is None
        assert await store.read(lambda tx: tx.glass_codes.left(ANNA, now=START)) == 1
        assert await store.read(lambda tx: tx.glass_codes.left(BEN, now=START)) == 0

    async def test_a_code_ends_at_its_moment(self, store: Store) -> None:
        """At the moment itself it is void already."""
        await _with_accounts(store)
        until = START + MINUTE
        await store.write(lambda tx: tx.glass_codes.replace(ANNA, [FIRST], expires_at=until))
        assert await store.read(lambda tx: tx.glass_codes.owner_of(FIRST, now=until)) is None
        assert await store.read(lambda tx: tx.glass_codes.left(ANNA, now=until)) == 0
        with pytest.raises(UnauthenticatedError):
            await store.write(lambda tx: tx.glass_codes.use(FIRST, now=until))

    async def test_a_new_set_of_codes_voids_the_old_one(self, store: Store) -> None:
        """Of that account alone; and codes need an account."""
        await _with_accounts(store)
        until = START + MINUTE
        await store.write(lambda tx: tx.glass_codes.replace(ANNA, [FIRST], expires_at=until))
        await store.write(lambda tx: tx.glass_codes.replace(BEN, [SECOND], expires_at=until))
        await store.write(lambda tx: tx.glass_codes.replace(ANNA, [THIRD], expires_at=until))
        for code, owner in ((FIRST, None), (SECOND, BEN), (THIRD, ANNA)):
            found = await store.read(lambda tx, c=code: tx.glass_codes.owner_of(c, now=START))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            assert found == owner
        stranger = PrincipalId(issuer="local", subject="nobody")
        with pytest.raises(ConflictError):
            await store.write(
                lambda tx: tx.glass_codes.replace(stranger, [FIRST], expires_at=until)
            )
