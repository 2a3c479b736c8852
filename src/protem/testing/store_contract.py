"""What every store promises, as a test class: override ``store`` and inherit the rest.

Here: the promises of ``ports.store`` that hold for a fake and a database alike; transactions and
grants in this file. Not here: durability, files and raw SQL; those are tests of the real store
alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from protem.domain import grants
from protem.domain.errors import (
    AuditUnavailableError,
    ConflictError,
    InvalidError,
    NotFoundError,
)
from protem.domain.grants import EDGES, TERMINAL, GrantState
from protem.domain.identifiers import TargetName
from protem.ports.store import Store, Transaction
from protem.testing.answer_link_records_contract import StoreAnswerLinkContract
from protem.testing.approver_key_records_contract import StoreApproverKeyContract
from protem.testing.device_records_contract import StoreDeviceContract
from protem.testing.directory_records_contract import StoreDirectoryContract
from protem.testing.glass_records_contract import StoreGlassContract
from protem.testing.message_records_contract import StoreMessageContract
from protem.testing.notice_records_contract import StoreNoticeContract
from protem.testing.session_records_contract import StoreSessionContract
from protem.testing.store_leases_contract import StoreLeaseContract
from protem.testing.store_records_contract import (
    StoreAccountContract,
    StoreClockContract,
    StoreRequestContract,
)
from protem.testing.store_samples import (
    ANNA,
    BEN,
    EVENT,
    HASH,
    HOSTILE,
    MINUTE,
    ORDERS_DB,
    START,
    Roll,
    grant_id,
    keep,
    life,
    pending,
)


class StoreTransactionContract:
    """Transactions."""

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        """Override: yield an empty store and close it."""
        pytest.fail("a contract needs a store")
        yield  # type: ignore[unreachable]  # makes this the generator that overrides are

    async def test_write_returns_what_work_returns_and_keeps_it(self, store: Store) -> None:
        """What a write did is there for the next read."""
        assert await store.write(lambda tx: tx.audit.append(EVENT)) == 0
        assert await store.read(lambda tx: tx.audit.size()) == 1

    async def test_exception_rolls_all_of_it_back(self, store: Store) -> None:
        """An exception from work reaches the caller and leaves no trace."""

        def work(tx: Transaction) -> None:
            tx.grants.add(pending())
            tx.audit.append(EVENT)
            tx.work.take(grant_id(1), now=START, until=START + MINUTE, owner="a")
            raise Roll

        with pytest.raises(Roll):
            await store.write(work)
        assert await store.read(lambda tx: tx.audit.size()) == 0
        assert await store.read(lambda tx: tx.work.next_due()) is None
        with pytest.raises(NotFoundError):
            await store.read(lambda tx: tx.grants.get(grant_id(1)))

    async def test_one_failing_write_does_not_harm_others(self, store: Store) -> None:
        """Of many writes at once, only those that fail are undone."""

        def work(number: int) -> Callable[[Transaction], None]:
            def run(tx: Transaction) -> None:
                tx.grants.add(pending(number))
                tx.audit.append(EVENT)
                if number % 3 == 0:
                    raise Roll

            return run

        done = await asyncio.gather(
            *(store.write(work(n)) for n in range(1, 61)), return_exceptions=True
        )
        assert [isinstance(each, Roll) for each in done] == [n % 3 == 0 for n in range(1, 61)]
        assert await store.read(lambda tx: tx.audit.size()) == 40
        kept = await store.read(lambda tx: tx.grants.list(limit=100))
        assert len(kept) == 40

    async def test_a_caught_conflict_leaves_the_rest_of_the_transaction(self, store: Store) -> None:
        """Work may catch a conflict and go on."""

        def work(tx: Transaction) -> int:
            tx.grants.add(pending())
            with pytest.raises(ConflictError):
                tx.grants.add(pending())
            return tx.audit.append(EVENT)

        assert await store.write(work) == 0
        assert await store.read(lambda tx: len(tx.grants.list())) == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda tx: tx.grants.add(pending(2)),
            lambda tx: tx.audit.append(EVENT),
            lambda tx: tx.work.claim(now=START, until=START + MINUTE, owner="a", limit=1),
            lambda tx: tx.accounts.drop_token(HASH),
            lambda tx: tx.accounts.owner_of(HASH, now=START, single_use=True),
            lambda tx: tx.idempotency.forget_before(START),
        ],
    )
    async def test_a_read_cannot_write(
        self, store: Store, change: Callable[[Transaction], object]
    ) -> None:
        """Writing in a read is an error, also when nothing would change."""
        await store.write(lambda tx: tx.grants.add(pending()))
        with pytest.raises(InvalidError):
            await store.read(change)
        assert await store.read(lambda tx: len(tx.grants.list())) == 1

    async def test_a_closed_store_grants_nothing(self, store: Store) -> None:
        """After close, every use is refused with a clear error; closing twice is harmless."""
        await store.close()
        await store.close()
        with pytest.raises(AuditUnavailableError):
            await store.write(lambda tx: tx.audit.append(EVENT))
        with pytest.raises(AuditUnavailableError):
            await store.read(lambda tx: tx.audit.size())


class StoreGrantContract:
    """Grants and leases."""

    @pytest.mark.parametrize("state", list(GrantState))
    async def test_every_state_comes_back_as_it_went(self, store: Store, state: GrantState) -> None:
        """All fields of a grant in any state round-trip."""
        versions = life()[state]
        last = await keep(store, versions)
        assert await store.read(lambda tx: tx.grants.get(last.id)) == last

    async def test_a_grant_is_added_once_pending_at_version_one(self, store: Store) -> None:
        """No grant begins twice, later in its life, or at another version."""
        await store.write(lambda tx: tx.grants.add(pending()))
        late = replace(life(2)[GrantState.ACTIVE][-1], version=1)
        for wrong in (pending(), replace(pending(3), version=2), late):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, wrong=wrong: tx.grants.add(wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def test_a_stale_version_is_refused(self, store: Store) -> None:
        """Of two changes of one version, one wins and the other is told."""
        await store.write(lambda tx: tx.grants.add(pending()))
        approved = grants.approve(pending(), lapses_at=START + MINUTE)
        await store.write(lambda tx: tx.grants.save(approved))
        for wrong in (grants.deny(pending(), at=START), replace(approved, version=4)):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, wrong=wrong: tx.grants.save(wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await store.read(lambda tx: tx.grants.get(grant_id(1))) == approved

    async def test_saving_an_unknown_grant_is_refused(self, store: Store) -> None:
        """Nothing is made by saving."""
        with pytest.raises((ConflictError, NotFoundError)):
            await store.write(lambda tx: tx.grants.save(replace(pending(), version=2)))

    @pytest.mark.parametrize("state", list(GrantState))
    async def test_only_edges_are_saved(self, store: Store, state: GrantState) -> None:
        """From each state exactly the life cycle's edges can be stored."""
        others = life(2)
        for number, goal in enumerate(GrantState, start=10):
            last = await keep(store, life(number)[state])
            shape = replace(
                others[goal][-1],
                id=last.id,
                version=last.version + 1,
                requested_at=last.requested_at,
            )
            if last.activated_at is not None and shape.activated_at is not None:
                shape = replace(shape, activated_at=last.activated_at, expires_at=last.expires_at)
            allowed = goal in EDGES[state] or (goal is state and state not in TERMINAL)
            if allowed:
                await store.write(lambda tx, shape=shape: tx.grants.save(shape))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            else:
                with pytest.raises(ConflictError):
                    await store.write(lambda tx, shape=shape: tx.grants.save(shape))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def test_expiry_moves_only_by_extension(self, store: Store) -> None:
        """Once activated, the expiry only moves later, only while active (law 9)."""
        active = await keep(store, life()[GrantState.ACTIVE])
        assert active.expires_at is not None
        shorter = replace(active, version=active.version + 1, expires_at=active.expires_at - MINUTE)
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.grants.save(shorter))
        longer = grants.extend(active, at=START, revision=2, duration=30 * MINUTE)
        await store.write(lambda tx: tx.grants.save(longer))
        ending = grants.begin_ending(longer, at=START, cause=grants.EndCause.EXPIRED)
        assert ending.expires_at is not None
        late = replace(ending, expires_at=ending.expires_at + MINUTE)
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.grants.save(late))

    async def test_any_error_text_can_be_saved(self, store: Store) -> None:
        """No text from a target, however broken, keeps a grant from ending (law 4)."""
        ending = await keep(store, life()[GrantState.ENDING])
        tried = grants.retry(ending, due_at=START, error="broken \x00 \ud800 " + HOSTILE)
        await store.write(lambda tx: tx.grants.save(tried))
        stored = await store.read(lambda tx: tx.grants.get(ending.id))
        assert (stored.attempts, stored.last_error[:6]) == (1, "broken")

    async def test_list_filters_and_pages_newest_first(self, store: Store) -> None:
        """Filters combine; ``before`` continues where the last page ended."""
        for number in range(1, 6):
            await keep(store, [pending(number, principal=BEN if number == 3 else ANNA)])
        other = replace(pending(6), target=TargetName("other-db"))
        await keep(store, [other, grants.deny(other, at=START)])

        def numbers(**filters: object) -> Callable[[Transaction], list[int]]:
            return lambda tx: [int(g.id) for g in tx.grants.list(**filters)]  # type: ignore[arg-type]  # any mix of filters

        for wanted, filters in (
            ([6, 5, 4, 3, 2, 1], {}),
            ([6, 5], {"limit": 2}),
            ([4, 3], {"before": grant_id(5), "limit": 2}),
            ([3], {"principal": BEN}),
            ([6], {"target": other.target}),
            ([], {"target": other.target, "principal": BEN}),
            ([6], {"states": [GrantState.DENIED, GrantState.ACTIVE]}),
            ([5, 4, 2, 1], {"states": [GrantState.PENDING], "principal": ANNA}),
            ([2, 1], {"target": ORDERS_DB, "principal": ANNA, "before": grant_id(4)}),
        ):
            assert await store.read(numbers(**filters)) == wanted, filters


class StoreContract(
    StoreTransactionContract,
    StoreGrantContract,
    StoreLeaseContract,
    StoreRequestContract,
    StoreAccountContract,
    StoreClockContract,
    StoreDeviceContract,
    StoreSessionContract,
    StoreDirectoryContract,
    StoreApproverKeyContract,
    StoreMessageContract,
    StoreNoticeContract,
    StoreAnswerLinkContract,
    StoreGlassContract,
):
    """All promises of a store."""
