"""What every store promises about messages in chats that ask for an answer."""

from __future__ import annotations

from datetime import timedelta

from protem.domain.posted_messages import PostedMessage, closed
from protem.ports.store import Store
from protem.testing.notice_records_contract import AT, notice


def _message(name: str, minutes: int = 0) -> PostedMessage:
    at = AT + timedelta(minutes=minutes)
    return PostedMessage(
        notice=notice(name, minutes), channel="chat", receipt=f"C1/{name}\x1b'", look_at=at
    )


class StoreMessageContract:
    """Mixed into the store's contract."""

    async def test_messages_to_look_at_come_whole_and_in_order(self, store: Store) -> None:
        """By channel, not before their time, and never once they are closed."""
        late, early, done = _message("late", 5), _message("early"), _message("done")
        for one in (late, early, done, closed(done)):
            await store.write(lambda tx, d=one: tx.messages.put(d))  # type: ignore[misc]  # mypy infers no lambda defaults
        found = await store.read(lambda view: view.messages.open("chat", now=AT, limit=9))
        assert list(found) == [early]
        later = AT + timedelta(minutes=9)
        found = await store.read(lambda view: view.messages.open("chat", now=later, limit=9))
        assert list(found) == [early, late]
        assert not await store.read(lambda view: view.messages.open("mail", now=later, limit=9))

    async def test_a_message_is_kept_once_and_forgotten_when_closed(self, store: Store) -> None:
        """The last word counts; an open one stays, however old."""
        for one in (_message("a"), _message("b"), closed(_message("a")), _message("b", 1)):
            await store.write(lambda tx, d=one: tx.messages.put(d))  # type: ignore[misc]  # as above
        later = AT + timedelta(days=99)
        assert await store.write(lambda tx: tx.messages.forget_before(later)) == 1
        found = await store.read(lambda view: view.messages.open("chat", now=later, limit=9))
        assert list(found) == [_message("b", 1)]
