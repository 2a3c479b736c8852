"""What every store promises of revisions, verdicts, the log, accounts and remembered answers.

Here: the half of the suite that ``store_contract.StoreContract`` adds to its own. Not here: grants,
leases and transactions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protem.domain import audit_events
from protem.domain.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.trusted_time import ClockReading
from protem.ports.store import Account, RememberedAnswer, Store, Transaction
from protem.testing.store_samples import (
    ANNA,
    BEN,
    EVENT,
    HASH,
    HOSTILE,
    MINUTE,
    START,
    Roll,
    approval,
    grant_id,
    keep,
    pending,
    revision,
)


class StoreClockContract:
    """The clock's marks."""

    async def test_the_later_mark_of_each_boot_is_kept(self, store: Store) -> None:
        """Marks come back equal, the latest first; an earlier one of a boot replaces none."""

        async def kept() -> list[ClockReading]:
            return list(await store.read(lambda tx: tx.clock.marks()))

        assert await kept() == []
        for minutes, boot in ((5, "a"), (4, "a"), (3, "b"), (6, "c"), (7, "a")):
            mark = _a_mark(minutes, boot)
            await store.write(lambda tx, mark=mark: tx.clock.put(mark))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await kept() == [_a_mark(7, "a"), _a_mark(6, "c"), _a_mark(3, "b")]
        await store.write(lambda tx: tx.clock.forget_but(2))
        assert await kept() == [_a_mark(7, "a"), _a_mark(6, "c")]

    async def test_a_mark_that_is_vouched_for_replaces_all(self, store: Store) -> None:
        """After a reset nothing is known of a later time, of this boot or of another."""
        for boot in ("a", "b"):
            await store.write(lambda tx, boot=boot: tx.clock.put(_a_mark(9, boot)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await store.write(lambda tx: tx.clock.reset(_a_mark(1, "a")))
        assert list(await store.read(lambda tx: tx.clock.marks())) == [_a_mark(1, "a")]


def _a_mark(minutes: int, boot: str) -> ClockReading:
    return ClockReading(moment=START + minutes * MINUTE, since_boot=minutes * MINUTE, boot=boot)


class StoreRequestContract:
    """Revisions, verdicts and the audit log."""

    async def test_revisions_come_back_whole(self, store: Store) -> None:
        """A revision and its digest round-trip, with hostile text in it."""
        await keep(store, [pending()])
        wanted = revision(2, reason=HOSTILE)
        await store.write(lambda tx: tx.requests.add(revision(1)))
        await store.write(lambda tx: tx.requests.add(wanted))
        stored = await store.read(lambda tx: tx.requests.get(grant_id(1), 2))
        assert stored == wanted
        assert stored.digest == wanted.digest
        assert await store.read(lambda tx: tx.requests.latest_number(grant_id(1))) == 2
        assert await store.read(lambda tx: tx.requests.latest_number(grant_id(9))) == 0

    async def test_a_revision_is_added_once_to_a_grant_that_exists(self, store: Store) -> None:
        """A number is used once; a revision without a grant is refused."""
        await keep(store, [pending()])
        await store.write(lambda tx: tx.requests.add(revision(1)))
        for wrong in (revision(1, reason="other"), revision(1, of=9)):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, wrong=wrong: tx.requests.add(wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        with pytest.raises(NotFoundError):
            await store.read(lambda tx: tx.requests.get(grant_id(1), 2))
        assert await store.read(lambda tx: tx.requests.get(grant_id(1), 1)) == revision(1)

    async def test_text_that_is_no_text_is_refused(self, store: Store) -> None:
        """A lone surrogate cannot be stored, so it cannot be approved."""
        await keep(store, [pending()])
        with pytest.raises(InvalidError):
            await store.write(lambda tx: tx.requests.add(revision(1, reason="\ud800")))

    async def test_verdicts_come_back_oldest_first(self, store: Store) -> None:
        """Verdicts on one revision, and no other, in the order they were given."""
        await keep(store, [pending()])
        asked = [revision(1), revision(2, reason="edited")]
        carl = PrincipalId(issuer="https://issuer.example", subject="'carl\"|;--")
        later = approval(asked[0], at=START + MINUTE, comment=HOSTILE * 5)
        agent = replace(
            approval(asked[0], reviewer=carl), reviewer_person=PrincipalId(issuer="i", subject="p")
        )

        def work(tx: Transaction) -> None:
            for each in asked:
                tx.requests.add(each)
            for verdict in (later, agent, replace(approval(asked[1]), signature="sig")):
                tx.approvals.add(verdict)

        await store.write(work)
        assert await store.read(lambda tx: tx.approvals.of(grant_id(1), 1)) == (agent, later)
        assert await store.read(lambda tx: tx.approvals.of(grant_id(1), 3)) == ()

    async def test_wrong_verdicts_are_refused(self, store: Store) -> None:
        """Nobody reviews twice, their own request, or anything but the exact content (law 6)."""
        await keep(store, [pending()])
        asked = revision(1)
        agent = PrincipalId(issuer="local", subject="agent")

        def first(tx: Transaction) -> None:
            tx.requests.add(asked)
            tx.approvals.add(approval(asked))

        await store.write(first)
        wrong = [
            approval(asked),
            approval(asked, reviewer=ANNA),
            replace(approval(asked, reviewer=agent), reviewer_person=ANNA),
            replace(approval(asked, reviewer=agent), reviewer_person=BEN),
            replace(approval(asked, reviewer=agent), digest="sha256:" + "0" * 64),
            replace(approval(asked, reviewer=agent), revision=2),
        ]
        for each in wrong:
            with pytest.raises(ConflictError):
                await store.write(lambda tx, each=each: tx.approvals.add(each))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await store.read(lambda tx: len(tx.approvals.of(grant_id(1), 1))) == 1

    async def test_an_agents_request_is_its_persons(self, store: Store) -> None:
        """The person behind an agent cannot approve what the agent asks (law 6)."""
        await keep(store, [pending()])
        asked = replace(revision(1), requester_person=BEN)
        await store.write(lambda tx: tx.requests.add(asked))
        assert await store.read(lambda tx: tx.requests.get(grant_id(1), 1)) == asked
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.approvals.add(approval(asked, reviewer=BEN)))

    async def test_audit_entries_are_in_order_without_gaps(self, store: Store) -> None:
        """Indexes count from 0, and a rolled-back entry leaves no gap."""

        def fails(tx: Transaction) -> None:
            tx.audit.append(EVENT)
            raise Roll

        events = [
            audit_events.account_changed(HOSTILE, ANNA, str(number), START) for number in range(5)
        ]
        for number, event in enumerate(events):
            index = await store.write(lambda tx, event=event: tx.audit.append(event))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            assert index == number
            with pytest.raises(Roll):
                await store.write(fails)
        found = await store.read(lambda tx: tx.audit.entries(start=1, limit=3))
        assert [entry.index for entry in found] == [1, 2, 3]
        assert [entry.body for entry in found] == [event.canonical_bytes() for event in events[1:4]]
        assert await store.read(lambda tx: tx.audit.size()) == 5
        assert await store.read(lambda tx: tx.audit.entries(start=5, limit=3)) == ()


class StoreAccountContract:
    """Accounts, tokens and remembered answers."""

    async def test_accounts_are_replaced_whole(self, store: Store) -> None:
        """Putting an account again replaces it and its groups."""
        owners, others = GroupName("db-owners"), GroupName("others")
        anna = Account(
            principal=Principal(id=ANNA, display=HOSTILE, groups=frozenset({owners, others}))
        )
        agent = Account(
            principal=Principal(
                id=BEN,
                display="",
                kind=PrincipalKind.AGENT,
                acts_for=ANNA,
                groups=frozenset({owners}),
            )
        )
        for account in (agent, anna):
            await store.write(lambda tx, account=account: tx.accounts.put(account))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await store.read(lambda tx: tx.accounts.list()) == (anna, agent)
        assert await store.read(lambda tx: tx.accounts.members(owners)) == (
            anna.principal,
            agent.principal,
        )
        changed = Account(principal=Principal(id=ANNA, display="Anna"), disabled=True)
        await store.write(lambda tx: tx.accounts.put(changed))
        assert await store.read(lambda tx: tx.accounts.get(ANNA)) == changed
        assert await store.read(lambda tx: tx.accounts.members(others)) == ()
        with pytest.raises(NotFoundError):
            missing = PrincipalId(issuer="local", subject="nobody")
            await store.read(lambda tx: tx.accounts.get(missing))

    async def test_disabled_members_do_not_count(self, store: Store) -> None:
        """A disabled account is in no group for as long as it is disabled."""
        group = GroupName("g")
        principal = Principal(id=ANNA, display="", groups=frozenset({group}))
        await store.write(lambda tx: tx.accounts.put(Account(principal=principal, disabled=True)))
        assert await store.read(lambda tx: tx.accounts.members(group)) == ()

    async def test_tokens_are_of_one_kind_and_expire(self, store: Store) -> None:
        """A token is good until it expires, for its own kind of use; single use means once."""
        await store.write(lambda tx: tx.accounts.put(Account(principal=_anna())))

        def add(token_hash: bytes, *, single_use: bool) -> Callable[[Transaction], None]:
            return lambda tx: tx.accounts.add_token(
                token_hash=token_hash, owner=ANNA, expires_at=START + MINUTE, single_use=single_use
            )

        def owner(
            token_hash: bytes, *, single_use: bool, at: datetime = START
        ) -> Callable[[Transaction], PrincipalId]:
            return lambda tx: tx.accounts.owner_of(token_hash, now=at, single_use=single_use)

        once, often = b"\x01" * 32, b"\x02" * 32
        await store.write(add(once, single_use=True))
        await store.write(add(often, single_use=False))
        with pytest.raises(ConflictError):
            await store.write(add(once, single_use=True))
        for refused in (
            owner(often, single_use=True),
            owner(once, single_use=False),
            owner(HASH, single_use=False),
            owner(often, single_use=False, at=START + MINUTE),
        ):
            with pytest.raises(UnauthenticatedError):
                await store.write(refused)
        assert await store.write(owner(once, single_use=True)) == ANNA
        with pytest.raises(UnauthenticatedError):
            await store.write(owner(once, single_use=True))
        for _ in range(2):
            assert await store.read(owner(often, single_use=False)) == ANNA
        assert await store.write(lambda tx: tx.accounts.drop_tokens(ANNA)) == 1
        await store.write(lambda tx: tx.accounts.drop_token(often))
        with pytest.raises(UnauthenticatedError):
            await store.read(owner(often, single_use=False))

    async def test_answers_are_remembered_once(self, store: Store) -> None:
        """A key holds one answer per principal until it is forgotten."""
        answer = RememberedAnswer(fingerprint="f", status=201, body=b"\x00{}\xff")
        key = HOSTILE
        await store.write(lambda tx: tx.idempotency.put(ANNA, key, answer, START))
        assert await store.read(lambda tx: tx.idempotency.get(ANNA, key)) == answer
        assert await store.read(lambda tx: tx.idempotency.get(BEN, key)) is None
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.idempotency.put(ANNA, key, answer, START))
        await store.write(lambda tx: tx.idempotency.put(BEN, key, answer, START + MINUTE))
        assert await store.write(lambda tx: tx.idempotency.forget_before(START + MINUTE)) == 1
        assert await store.read(lambda tx: tx.idempotency.get(ANNA, key)) is None

    async def test_moments_keep_their_microseconds_and_zone(self, store: Store) -> None:
        """Far moments come back exact and in UTC, whatever zone they were given in."""
        far = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        await keep(store, [pending(due=far)])
        assert await store.read(lambda tx: tx.work.next_due()) == far


def _anna() -> Principal:
    return Principal(id=ANNA, display="Anna")
