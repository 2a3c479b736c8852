"""What every announcer promises to those who wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from protem.domain.identifiers import GrantId
from protem.ports.announcer import Announcer

SOON = timedelta(milliseconds=20)
LATER = timedelta(seconds=5)
ONE = GrantId("0" * 25 + "1")
OTHER = GrantId("0" * 25 + "2")


class AnnouncerContract:
    """Override ``announcer``."""

    @pytest.fixture
    def announcer(self) -> Announcer:
        """Return the announcer under test."""
        raise NotImplementedError

    async def test_news_of_a_grant_reach_those_who_watch_it(self, announcer: Announcer) -> None:
        """And those who watch everything."""
        with announcer.watch(ONE) as one, announcer.watch() as everything:
            announcer.announce(ONE)
            assert await one.changed(LATER)
            assert await everything.changed(LATER)

    async def test_news_of_another_grant_do_not(self, announcer: Announcer) -> None:
        """Who watches one grant is not woken for another, nor for what concerns none."""
        with announcer.watch(ONE) as one:
            announcer.announce(OTHER)
            announcer.announce()
            assert not await one.changed(SOON)

    async def test_news_between_two_waits_are_kept(self, announcer: Announcer) -> None:
        """What happens while the watcher looks elsewhere wakes the next wait, once."""
        with announcer.watch(ONE) as one:
            announcer.announce(ONE)
            announcer.announce(ONE)
            assert await one.changed(LATER)
            assert not await one.changed(SOON)

    async def test_news_before_the_watch_are_past(self, announcer: Announcer) -> None:
        """Begin to watch, then look: nothing is missed and nothing old is told."""
        announcer.announce(ONE)
        with announcer.watch(ONE) as one:
            assert not await one.changed(SOON)

    async def test_every_watcher_is_told(self, announcer: Announcer) -> None:
        """One who leaves takes nothing from the others."""
        with announcer.watch(ONE) as stays:
            with announcer.watch(ONE):
                pass
            announcer.announce(ONE)
            assert await stays.changed(LATER)
