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
from protem.domain.errors import ProtemError, RefusedError
from protem.domain.notices import Notice
from protem.domain.principals import PrincipalId
from protem.ports.store import Transaction
from protem.services.channels import Channel
from protem.services.make_answer_link import make_answer_link
from protem.services.surroundings import Surroundings

CALL_TIMEOUT = timedelta(seconds=20)
LOOK_EVERY = timedelta(seconds=2)
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
                await watch.changed(LOOK_EVERY)

    async def run_once(self) -> int:
        """Try all that is due now; return how many that was."""
        now = self.around.clock.now()
        due = await self.around.store.read(
            lambda view: view.notices.due(self.channel.name, now=now, limit=_BATCH)
        )
        for delivery in due:
            await self._try(delivery)
        return len(due)

    async def _try(self, delivery: Delivery) -> None:
        trouble, for_good = await self._deliver(delivery.notice, CALL_TIMEOUT)
        at = self.around.clock.now()
        if trouble:
            after = deliveries.failed(delivery, at=at, error=trouble, for_good=for_good)
        else:
            after = deliveries.delivered(delivery)
        await self.around.store.write(lambda tx: tx.notices.save(after))

    async def _deliver(self, notice: Notice, within: timedelta) -> tuple[str, bool]:
        """Return why it was not taken, empty when it was, and whether it never will be."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                if notice.only_for is None:
                    await self.channel.notifier.deliver(notice)
                else:
                    await self._deliver_to(notice.only_for, notice)
        except ProtemError as error:
            return error.message, isinstance(error, RefusedError)
        except TimeoutError:
            return "the channel did not answer in time", False
        except Exception as error:  # noqa: BLE001  # a channel's bug must not stop the others
            return f"unexpected {type(error).__name__} in the channel", False
        return "", False

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
        links = transaction.answer_links.forget_before(now)
        return links + transaction.notices.forget_before(now - REMEMBERED)

    return await around.store.write(work)
