"""What every store promises about notices on their way out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from protem.domain import deliveries
from protem.domain.deliveries import TRIED_FOR, DeliveryState
from protem.domain.errors import NotFoundError
from protem.domain.instants import parse_instant
from protem.domain.notices import Notice, NoticeKind
from protem.ports.store import Store

AT = parse_instant("2026-05-01T12:00:00Z")


def notice(name: str, minutes: int = 0) -> Notice:
    """Return a notice whose every text is hostile."""
    return Notice(
        id=name,
        kind=NoticeKind.TEST,
        at=AT + timedelta(minutes=minutes),
        title="<b>\x1b[2J\u202e\ud7ff",
        lines=(("Who", "'; DROP TABLE grants --"), ("", "\n" * 50)),
        risks=("\0",),
    )


class StoreNoticeContract:
    """Mixed into the store's contract."""

    async def test_a_notice_comes_back_whole(self, store: Store) -> None:
        """Every field, for each channel apart."""
        for channel in ("chat", "mail"):
            delivery = deliveries.begin(notice("a"), channel)
            await store.write(lambda tx, d=delivery: tx.notices.add(d))  # type: ignore[misc]  # mypy infers no lambda defaults
            found = await store.read(
                lambda view, c=channel: view.notices.due(c, now=AT, limit=10)  # type: ignore[misc]  # as above
            )
            assert list(found) == [delivery]

    async def test_the_same_notice_is_kept_once(self, store: Store) -> None:
        """Adding it again, as a repeated transaction does, changes nothing that became of it."""
        first = deliveries.begin(notice("a"), "chat")
        await store.write(lambda tx: tx.notices.add(first))
        await store.write(lambda tx: tx.notices.save(deliveries.delivered(first)))
        await store.write(lambda tx: tx.notices.add(first))
        assert not await store.read(lambda view: view.notices.due("chat", now=AT, limit=10))

    async def test_what_is_due_comes_oldest_first_and_not_before_its_time(
        self, store: Store
    ) -> None:
        """A failed one waits for its pause."""
        for name, minutes in (("late", 5), ("early", 0), ("middle", 2)):
            delivery = deliveries.begin(notice(name, minutes), "chat")
            await store.write(lambda tx, d=delivery: tx.notices.add(d))  # type: ignore[misc]  # as above
        now = AT + timedelta(minutes=3)
        found = await store.read(lambda view: view.notices.due("chat", now=now, limit=10))
        assert [one.notice.id for one in found] == ["early", "middle"]
        failed = deliveries.failed(found[0], at=now, error="away", for_good=False)
        await store.write(lambda tx: tx.notices.save(failed))
        found = await store.read(lambda view: view.notices.due("chat", now=now, limit=10))
        assert [one.notice.id for one in found] == ["middle"]
        assert await store.read(lambda view: view.notices.next_due("chat")) == AT + timedelta(
            minutes=2
        )
        assert await store.read(lambda view: view.notices.next_due("mail")) is None

    async def test_what_was_given_up_is_told_and_the_rest_forgotten(self, store: Store) -> None:
        """Waiting ones are never forgotten."""
        for name in ("given-up", "done", "waiting"):
            delivery = deliveries.begin(notice(name), "chat")
            await store.write(lambda tx, d=delivery: tx.notices.add(d))  # type: ignore[misc]  # as above
        waiting = deliveries.begin(notice("given-up"), "chat")
        lost = deliveries.failed(waiting, at=AT + TRIED_FOR, error="x", for_good=False)
        done = deliveries.delivered(deliveries.begin(notice("done"), "chat"))
        for after in (lost, done):
            await store.write(lambda tx, d=after: tx.notices.save(d))  # type: ignore[misc]  # as above
        found = await store.read(lambda view: view.notices.given_up(since=AT, limit=10))
        assert [(one.notice.id, one.state) for one in found] == [
            ("given-up", DeliveryState.GIVEN_UP)
        ]
        later = AT + timedelta(days=99)
        assert await store.write(lambda tx: tx.notices.forget_before(later)) == 2
        left = await store.read(lambda view: view.notices.due("chat", now=later, limit=10))
        assert [one.notice.id for one in left] == ["waiting"]

    async def test_what_is_not_there_cannot_be_saved(self, store: Store) -> None:
        """Nothing is made by saving."""
        stray = deliveries.begin(notice("stray"), "chat")
        with pytest.raises(NotFoundError):
            await store.write(lambda tx: tx.notices.save(stray))
