"""What every store promises of leases: who may work on what is due, and until when.

Here: a part of the suite that ``store_contract.StoreContract`` joins together. Not here: grants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from protem.domain import grants
from protem.domain.grants import GrantState
from protem.domain.identifiers import TargetName
from protem.ports.store import Store, Transaction
from protem.testing.store_samples import MINUTE, START, grant_id, keep, life, pending


class StoreLeaseContract:
    """Leases live apart from versions."""

    async def test_claim_leases_what_is_due_once_oldest_first(self, store: Store) -> None:
        """Due grants are claimed in order of due time, each by one owner."""
        for number, delay in ((1, 3), (2, 1), (3, 2), (4, 9)):
            await keep(store, [pending(number, due=START + delay * MINUTE)])
        now, until = START + 3 * MINUTE, START + 5 * MINUTE

        def claim(owner: str, limit: int) -> Callable[[Transaction], list[int]]:
            def run(tx: Transaction) -> list[int]:
                claimed = tx.work.claim(now=now, until=until, owner=owner, limit=limit)
                return [int(grant.id) for grant in claimed]

            return run

        assert await store.write(claim("a", 2)) == [2, 3]
        assert await store.write(claim("b", 9)) == [1]
        assert await store.write(claim("a", 9)) == []

    async def test_a_lease_runs_out(self, store: Store) -> None:
        """At the lease's end, and not before, another may claim."""
        await keep(store, [pending()])
        until = START + MINUTE

        def claim(at: datetime) -> Callable[[Transaction], int]:
            return lambda tx: len(
                tx.work.claim(now=at, until=at + MINUTE, owner=at.isoformat(), limit=9)
            )

        assert await store.write(claim(START)) == 1
        assert await store.write(claim(until - timedelta(microseconds=1))) == 0
        assert await store.write(claim(until)) == 1

    async def test_a_target_can_be_left_out(self, store: Store) -> None:
        """What is due at a busy target is not claimed, and what is due elsewhere is."""
        elsewhere = replace(pending(2), target=TargetName("elsewhere"))
        await keep(store, [pending(1)])
        await keep(store, [elsewhere])

        def claim(*except_at: TargetName) -> Callable[[Transaction], list[str]]:
            return lambda tx: [
                grant.id
                for grant in tx.work.claim(
                    now=START, until=START, owner="a", limit=9, except_at=except_at
                )
            ]

        assert await store.write(claim(pending().target, elsewhere.target)) == []
        assert await store.write(claim(pending().target)) == [elsewhere.id]
        assert await store.write(claim()) == [grant_id(1), elsewhere.id]

    async def test_saving_keeps_the_lease_and_the_lease_keeps_the_version(
        self, store: Store
    ) -> None:
        """Leases live apart from versions."""
        await keep(store, [pending()])
        until = START + MINUTE
        await store.write(lambda tx: tx.work.take(grant_id(1), now=START, until=until, owner="a"))
        approved = grants.approve(pending(), lapses_at=START)
        await store.write(lambda tx: tx.grants.save(approved))
        assert await store.read(lambda tx: tx.grants.get(grant_id(1))) == approved
        claimed = await store.write(
            lambda tx: tx.work.claim(now=START, until=until, owner="b", limit=9)
        )
        assert claimed == ()

    async def test_take_and_release(self, store: Store) -> None:
        """A lease is taken once, even by its owner, and released by its owner only."""
        await keep(store, [pending()])
        until = START + MINUTE

        def take(owner: str, number: int = 1) -> Callable[[Transaction], bool]:
            return lambda tx: tx.work.take(grant_id(number), now=START, until=until, owner=owner)

        def release(owner: str) -> Callable[[Transaction], bool]:
            return lambda tx: tx.work.release(grant_id(1), owner=owner)

        assert await store.write(take("a"))
        assert not await store.write(take("a"))
        assert not await store.write(take("b"))
        assert not await store.write(take("b", 99))
        assert not await store.write(release("b"))
        assert not await store.write(take("b"))
        leased = await store.read(lambda tx: tx.work.leased())
        assert leased == ((await store.read(lambda tx: tx.grants.get(grant_id(1))), until),)
        assert await store.write(release("a"))
        assert not await store.write(release("a"))
        assert await store.read(lambda tx: tx.work.leased()) == ()
        assert await store.write(take("b"))
        await store.write(lambda tx: tx.work.release_all())
        assert await store.write(take("a"))

    async def test_a_lease_is_renewed_until_another_has_it(self, store: Store) -> None:
        """Its owner prolongs a lease, even one that ran out, but not once it is another's."""
        await keep(store, [pending()])

        def take(owner: str, at: int) -> Callable[[Transaction], bool]:
            now, until = START + at * MINUTE, START + (at + 1) * MINUTE
            return lambda tx: tx.work.take(grant_id(1), now=now, until=until, owner=owner)

        def renew(owner: str, until: int) -> Callable[[Transaction], bool]:
            return lambda tx: tx.work.renew(grant_id(1), until=START + until * MINUTE, owner=owner)

        assert not await store.write(renew("a", 3))
        assert await store.write(take("a", 0))
        assert not await store.write(renew("b", 3))
        assert await store.write(renew("a", 3))
        assert not await store.write(take("b", 2))
        assert await store.write(take("b", 3))
        assert not await store.write(renew("a", 9))

    async def test_what_is_due_can_be_read_leased_or_not(self, store: Store) -> None:
        """Oldest first, page by page, and nothing changes by it."""
        for number in (1, 2, 3):
            await keep(store, [pending(number, due=START + number * MINUTE)])
        until = START + 9 * MINUTE
        await store.write(lambda tx: tx.work.take(grant_id(1), now=START, until=until, owner="a"))

        async def due(minutes: int, skip: int = 0) -> list[str]:
            now = START + minutes * MINUTE
            found = await store.read(lambda tx: tx.work.due(now=now, limit=2, skip=skip))
            return [grant.id for grant in found]

        assert await due(0) == []
        assert await due(2) == [grant_id(1), grant_id(2)]
        assert await due(3) == [grant_id(1), grant_id(2)]
        assert await due(3, skip=2) == [grant_id(3)]

    async def test_an_ended_grant_can_be_released(self, store: Store) -> None:
        """The lease of a grant that just ended is given back like any other."""
        versions = life()[GrantState.ENDED]
        ending = await keep(store, versions[:-1])
        until = START + MINUTE
        await store.write(lambda tx: tx.work.take(ending.id, now=START, until=until, owner="a"))
        await store.write(lambda tx: tx.grants.save(versions[-1]))
        await store.write(lambda tx: tx.work.release(ending.id, owner="a"))
        assert await store.read(lambda tx: tx.grants.get(ending.id)) == versions[-1]

    async def test_next_due_is_when_claim_would_next_find_something(self, store: Store) -> None:
        """Terminal grants are never due; a leased one is due when its lease is over."""
        assert await store.read(lambda tx: tx.work.next_due()) is None
        await keep(store, life(1)[GrantState.ENDED])
        assert await store.read(lambda tx: tx.work.next_due()) is None
        await keep(store, [pending(2, due=START + MINUTE)])
        await keep(store, [pending(3, due=START + 9 * MINUTE)])
        assert await store.read(lambda tx: tx.work.next_due()) == START + MINUTE
        for until, expected in ((5, 5), (20, 9), (0, 1)):
            moment = START + until * MINUTE
            await store.write(lambda tx: tx.work.release_all())
            await store.write(
                lambda tx, moment=moment: tx.work.take(  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                    grant_id(2), now=START, until=moment, owner="a"
                )
            )
            due = await store.read(lambda tx: tx.work.next_due())
            assert due == START + expected * MINUTE
