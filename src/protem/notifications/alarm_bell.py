"""The alarms port over the configured channels.

Here: every channel at once, each under one bound, and what came of it. Not here: any channel.

Invariants: a channel that fails, hangs or raises whatever it likes costs the others nothing; no
outcome repeats what an unknown error says, which may hold an address with a secret in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from protem.domain.broken_glass import ALARM_WAIT, AlarmOutcome, failed_alarm
from protem.domain.errors import ProtemError
from protem.domain.notices import Notice
from protem.ports.notifier import Notifier


class AlarmBell:
    """``Alarms`` over notifiers; who made them closes them."""

    def __init__(self, notifiers: Sequence[Notifier], *, wait: timedelta = ALARM_WAIT) -> None:
        self._notifiers = tuple(notifiers)
        self._wait = wait.total_seconds()

    @property
    def channels(self) -> Sequence[str]:
        """Their names in the settings file."""
        return tuple(notifier.name for notifier in self._notifiers)

    async def sound(self, notice: Notice) -> Sequence[AlarmOutcome]:
        """Deliver to all at once; a channel that is slower than the bound has failed."""
        return await asyncio.gather(*(self._tell(each, notice) for each in self._notifiers))

    async def _tell(self, notifier: Notifier, notice: Notice) -> AlarmOutcome:
        try:
            async with asyncio.timeout(self._wait):
                await notifier.deliver(notice)
        except TimeoutError:
            return failed_alarm(notifier.name, f"no answer within {self._wait:g} s")
        except ProtemError as error:
            return failed_alarm(notifier.name, error.message)
        except Exception as error:  # noqa: BLE001  # an emergency waits for no adapter's bug
            return failed_alarm(notifier.name, type(error).__name__)
        return AlarmOutcome(channel=notifier.name, delivered=True)
