"""One notice on its way to one channel.

Here: the delivery, how long it is tried, and when next. Not here: trying (deliver_notices).

Invariants: a delivery ends once: delivered, or given up after ``TRIED_FOR``; it is never tried
before ``due_at``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.notices import Notice

TRIED_FOR = timedelta(hours=24)
"""What nobody could be told of for a day is for the doctor to say."""
_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=5)
MAX_ERROR = 500


class DeliveryState(enum.StrEnum):
    """How far it is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notice for one channel.

    Attributes:
        attempts: failed ones.
        due_at: when to try; None once it is over.
    """

    notice: Notice
    channel: str
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    due_at: datetime | None
    last_error: str = ""


def begin(notice: Notice, channel: str) -> Delivery:
    """Return a delivery that is due at once."""
    return Delivery(notice=notice, channel=channel, due_at=notice.at)


def delivered(delivery: Delivery) -> Delivery:
    """The channel took it."""
    return replace(delivery, state=DeliveryState.DELIVERED, due_at=None, last_error="")


def failed(
    delivery: Delivery,
    *,
    at: datetime,
    error: str,
    for_good: bool,
    delay: timedelta | None = None,
) -> Delivery:
    """The channel did not take it; try again, unless it never will or it has been too long.

    ``delay`` is what the channel asked for; it is not tried sooner.
    """
    attempts, error = delivery.attempts + 1, error[:MAX_ERROR]
    if for_good or at - delivery.notice.at >= TRIED_FOR:
        return replace(
            delivery,
            state=DeliveryState.GIVEN_UP,
            attempts=attempts,
            due_at=None,
            last_error=error,
        )
    pause: timedelta = min(_FIRST_PAUSE * (1 << min(delivery.attempts, 20)), _LONGEST_PAUSE)
    pause = max(pause, delay or pause)
    return replace(delivery, attempts=attempts, due_at=at + pause, last_error=error)
