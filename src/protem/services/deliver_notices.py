"""Deliver what people should know, channel by channel, again and again until it is taken.

Here: the driver of one channel. Not here: the channels, and alarms, which wait for nobody (alarms).

Invariants:
- A channel that is slow, away or broken holds up no other, and nothing of the reconciler's.
- A notice is delivered at least once: after a crash between delivering and recording it comes
  again, with the same id.
- Where messages are kept true (keep_messages), what the channel calls a message is kept with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from protem.domain import deliveries
from protem.domain.deliveries import Delivery
from protem.domain.errors import ProtemError, RefusedError
from protem.ports.store import Transaction
from protem.services.channels import Channel
from protem.services.keep_messages import post
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
        trouble, for_good = "", False
        try:
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                after = await self._deliver(delivery)
        except ProtemError as error:
            trouble, for_good = error.message, isinstance(error, RefusedError)
        except TimeoutError:
            trouble = "the channel did not answer in time"
        except Exception as error:  # noqa: BLE001  # a channel's bug must not stop the others
            trouble = f"unexpected {type(error).__name__} in the channel"
        if trouble:
            at = self.around.clock.now()
            after = deliveries.failed(delivery, at=at, error=trouble, for_good=for_good)
        await self.around.store.write(lambda tx: tx.notices.save(after))

    async def _deliver(self, delivery: Delivery) -> Delivery:
        """Return the delivery as it is once the channel took it."""
        if self.channel.rewriting is not None:
            return await post(self.around, self.channel.rewriting, delivery)
        await self.channel.notifier.deliver(delivery.notice)
        return deliveries.delivered(delivery)


async def forget_old(around: Surroundings) -> int:
    """Drop what was delivered long ago; return how many that were."""

    def work(transaction: Transaction) -> int:
        return transaction.notices.forget_before(around.clock.now() - REMEMBERED)

    return await around.store.write(work)
