"""The channel that is always there: the server's own log, which is collected and watched.

Here: one line for each notice. Not here: any network.
"""

from __future__ import annotations

import structlog

from protem.domain.notices import Notice

_log = structlog.stdlib.get_logger("protem.alarm")


class ServerLogNotifier:
    """A ``Notifier`` that writes to the log."""

    @property
    def name(self) -> str:
        """What people call it."""
        return "server-log"

    async def deliver(self, notice: Notice) -> None:
        """Write the notice; an alarm is critical."""
        write = _log.critical if notice.is_alarm else _log.info
        write(
            "notice",
            notice=notice.id,
            kind=notice.kind.value,
            title=notice.title,
            lines=[list(line) for line in notice.lines],
        )

    async def close(self) -> None:
        """Nothing is open."""
