"""Raise an alarm on every channel, bounded, whatever the channels do.

Here: the bound that access waits for, an answer in every case, and another try for each channel
that was not reached. Not here: what is told.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from protem.domain import deliveries
from protem.domain.broken_glass import AlarmOutcome, failed_alarm
from protem.domain.notices import Notice
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings

_GRACE = timedelta(seconds=1)


async def sound_alarm(around: Surroundings, notice: Notice) -> tuple[AlarmOutcome, ...]:
    """Return what came of each channel, soon; a port that hangs or raises has failed everywhere."""
    bound = (around.limits.alarm_wait + _GRACE).total_seconds()
    try:
        async with asyncio.timeout(bound):
            return tuple(await around.alarms.sound(notice))
    except Exception as error:  # noqa: BLE001  # an emergency waits for no adapter's bug
        said = type(error).__name__
        return tuple(failed_alarm(channel, said) for channel in around.alarms.channels)


def tell_later(
    transaction: Transaction, notice: Notice, outcomes: tuple[AlarmOutcome, ...]
) -> None:
    """Keep a delivery for each channel that was not reached in time; it is tried again."""
    for outcome in outcomes:
        if not outcome.delivered:
            transaction.notices.add(deliveries.begin(notice, outcome.channel))
