"""A channel that tells people, as a port: chat, mail, a webhook."""

from __future__ import annotations

from typing import Protocol

from protem.domain.notices import Notice


class Notifier(Protocol):
    """One configured channel."""

    @property
    def name(self) -> str:
        """Its name in the settings file."""
        ...

    async def deliver(self, notice: Notice) -> None:
        """Deliver once; the same notice may come again after a crash and bears the same id.

        Raises:
            RetryLaterError: the channel is away.
            RefusedError: it will never take this.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
