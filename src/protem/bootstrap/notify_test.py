"""One test notice to one channel, to see whether the settings are right.

Here: making the channel, sending, letting go. Not here: the channels.
"""

from __future__ import annotations

from pathlib import Path

from protem.bootstrap.declared_channels import declared_channels
from protem.bootstrap.settings import Settings
from protem.domain.errors import NotFoundError
from protem.domain.notices import Notice, NoticeKind
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness


async def send_test_notice(settings: Settings, folder: Path, name: str) -> None:
    """Send it.

    Raises:
        NotFoundError: the settings name no such channel.
        RetryLaterError, RefusedError: the channel did not take it; the message says why.
    """
    clock = SystemClock()
    channels = {one.name: one for one in declared_channels(settings, folder, clock=clock)}
    if name not in channels:
        known = ", ".join(sorted(channels)) or "none"
        raise NotFoundError(f"[notifications] has no channel {name}; it has: {known}")
    at = clock.now()
    notice = Notice(
        id=f"{SystemRandomness().grant_id(at)}.test",
        kind=NoticeKind.TEST,
        at=at,
        title="Protem: this is a test, nothing is asked of you",
        lines=(("Sent by", "protem server notify-test"),),
    )
    try:
        await channels[name].notifier.deliver(notice)
    finally:
        for channel in channels.values():
            await channel.notifier.close()
