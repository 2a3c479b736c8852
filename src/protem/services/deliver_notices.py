"""Deliver what people should know, channel by channel, again and again until it is taken.

Here: the driver of one channel. Not here: the channels, and alarms, which wait for nobody (alarms).

Invariants:
- A channel that is slow, away or broken holds up no other, and nothing of the reconciler's.
- A notice is delivered at least once: after a crash between delivering and recording it comes
  again, with the same id.
- A link that answers is never in the outbox: each delivery of a person's copy makes its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from protem.domain import deliveries
from protem.domain.deliveries import Delivery
from protem.domain.errors import ProtemError, RefusedError, RetryLaterError
from protem.domain.notices import Notice, NoticeKind
from protem.domain.posted_messages import PostedMessage
from protem.domain.principals import PrincipalId
from protem.ports.store import Transaction
from protem.services.channels import Channel
from protem.services.make_answer_link import make_answer_link
from protem.services.rewrite_messages import rewrite_messages
from protem.services.surroundings import Surroundings

CALL_TIMEOUT = timedelta(seconds=20)
LOOK_EVERY = timedelta(seconds=2)
GATHER = timedelta(milliseconds=300)
"""After news: every open message of a chat is looked at once for all that happened meanwhile."""
REMEMBERED = timedelta(days=30)
_BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverNotices:
    """The driver of one channel."""

    around: Surroundings
    channel: Channel

    async def run(self) -> None:
        """Deliver until cancelled; every step can be repeated."""
        with self.around.announcer.watch() as watch:
            while True:
                await self.run_once()
                if await watch.changed(LOOK_EVERY) and self.channel.board is not None:
                    await asyncio.sleep(GATHER.total_seconds())

    async def run_once(self) -> int:
        """Try all that is due now; return how many that was."""
        now = self.around.clock.now()
        due = await self.around.store.read(
            lambda view: view.notices.due(self.channel.name, now=now, limit=_BATCH)
        )
        for delivery in due:
            await self._try(delivery)
        await rewrite_messages(self.around, self.channel, CALL_TIMEOUT)
        return len(due)

    async def _try(self, delivery: Delivery) -> None:
        came = await self._deliver(delivery.notice, CALL_TIMEOUT)
        at = self.around.clock.now()
        if came.trouble:
            after = deliveries.failed(
                delivery, at=at, error=came.trouble, for_good=came.for_good, delay=came.delay
            )
        else:
            after = deliveries.delivered(delivery)

        def work(transaction: Transaction) -> None:
            transaction.notices.save(after)
            if came.receipt and delivery.notice.kind is NoticeKind.REVIEW_WANTED:
                message = PostedMessage(
                    notice=delivery.notice,
                    channel=delivery.channel,
                    receipt=came.receipt,
                    look_at=at,
                )
                transaction.messages.put(message)

        await self.around.store.write(work)

    async def _deliver(self, notice: Notice, within: timedelta) -> _Came:
        try:
            async with asyncio.timeout(within.total_seconds()):
                if notice.only_for is not None:
                    await self._deliver_to(notice.only_for, notice)
                elif self.channel.board is not None:
                    return _Came(receipt=await self.channel.board.post(notice))
                else:
                    await self.channel.notifier.deliver(notice)
        except RetryLaterError as error:
            return _Came(trouble=error.message, delay=error.delay)
        except ProtemError as error:
            return _Came(trouble=error.message, for_good=isinstance(error, RefusedError))
        except TimeoutError:
            return _Came(trouble="the channel did not answer in time")
        except Exception as error:  # noqa: BLE001  # a channel's bug must not stop the others
            return _Came(trouble=f"unexpected {type(error).__name__} in the channel")
        return _Came()

    async def _deliver_to(self, person: PrincipalId, notice: Notice) -> None:
        """Send one person their copy, if it is still for them; a link in it is made just before."""
        personal = self.channel.personal
        if personal is None or person not in personal.people:
            return  # the settings have no address of theirs any more
        copy = await make_answer_link(self.around, self.channel, notice, person)
        if copy is not None:
            await personal.deliver_to(person, notice, copy.way)


async def forget_old(around: Surroundings) -> int:
    """Drop what was delivered long ago, and links that are over; return how many that were."""

    def work(transaction: Transaction) -> int:
        now = around.clock.now()
        transaction.messages.forget_before(now - REMEMBERED)
        links = transaction.answer_links.forget_before(now)
        return links + transaction.notices.forget_before(now - REMEMBERED)

    return await around.store.write(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Came:
    """What came of one try.

    Attributes:
        receipt: of the message, where the channel keeps those.
        trouble: why it was not taken; empty when it was.
        for_good: it never will be.
        delay: what the channel asked to wait.
    """

    receipt: str = ""
    trouble: str = ""
    for_good: bool = False
    delay: timedelta | None = None
