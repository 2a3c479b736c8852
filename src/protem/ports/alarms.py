"""Alarms as a port: every channel at once, before access that nobody approved.

Here: the promise, and a null object for where there is no channel. Not here: channels (notifier).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from protem.domain.broken_glass import AlarmOutcome
from protem.domain.notices import Notice


class Alarms(Protocol):
    """All channels that an alarm goes to."""

    @property
    def channels(self) -> Sequence[str]:
        """Their names, as people know them."""
        ...

    async def sound(self, notice: Notice) -> Sequence[AlarmOutcome]:
        """Try every channel at once; return one outcome for each, in the order of ``channels``.

        Never raises for a channel that fails, and never waits for a slow one much longer than its
        bound: access waits for this.
        """
        ...


class NoAlarms:
    """No channel at all; the log alone tells."""

    @property
    def channels(self) -> Sequence[str]:
        """None."""
        return ()

    async def sound(self, notice: Notice) -> Sequence[AlarmOutcome]:  # noqa: ARG002  # the port's
        """Tell nobody."""
        return ()
