"""What every alarm promises to those who wait for it before they grant access."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from protem.domain.notices import Notice, NoticeKind
from protem.ports.alarms import Alarms

NOTICE = Notice(
    id="glass-1",
    kind=NoticeKind.BREAK_GLASS,
    at=datetime(2026, 1, 1, tzinfo=UTC),
    title="dana breaks the glass at orders-db",
)


class AlarmsContract:
    """Override ``alarms``."""

    @pytest.fixture
    def alarms(self) -> Alarms:
        """Return the alarms under test."""
        raise NotImplementedError

    async def test_every_channel_has_one_outcome(self, alarms: Alarms) -> None:
        """In the order of their names, whatever became of each."""
        for _ in range(2):
            outcomes = await alarms.sound(NOTICE)
            assert [outcome.channel for outcome in outcomes] == list(alarms.channels)

    async def test_who_was_not_reached_has_a_reason(self, alarms: Alarms) -> None:
        """And who was reached has none."""
        for outcome in await alarms.sound(NOTICE):
            assert outcome.delivered is (outcome.error == "")
