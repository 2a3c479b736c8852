"""A channel whose messages can be rewritten, as a port: interactive chat."""

from __future__ import annotations

from typing import Protocol

from protem.domain.notices import Notice


class RewritingNotifier(Protocol):
    """The side of one configured channel that keeps its messages true."""

    async def post(self, notice: Notice) -> str:
        """Deliver as ``Notifier.deliver`` does; return what ``rewrite`` knows the message by.

        Raises:
            RetryLaterError: the channel is away.
            RefusedError: it will never take this.
        """
        ...

    async def rewrite(self, receipt: str, notice: Notice, over: str = "") -> None:
        """Let the message say ``notice``; twice is as good as once.

        Args:
            receipt: as ``post`` returned it.
            notice: what it says from now on.
            over: why there is nothing to answer any more; empty while there is.

        Raises:
            RetryLaterError: the channel is away.
            RefusedError: the message is not there any more, or cannot be changed.
        """
        ...
