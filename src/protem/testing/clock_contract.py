"""What every clock promises."""

from __future__ import annotations

from datetime import UTC

import pytest

from protem.ports.clock import Clock


class ClockContract:
    """Override ``clock``."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock under test."""
        raise NotImplementedError

    def test_the_time_is_utc(self, clock: Clock) -> None:
        """A moment knows its zone, and the zone is UTC."""
        assert clock.now().tzinfo is UTC

    def test_time_does_not_run_backwards(self, clock: Clock) -> None:
        """A later look shows no earlier moment, while nobody sets the clock."""
        looks = [clock.now() for _ in range(100)]
        assert looks == sorted(looks)

    def test_a_clock_that_nobody_set_is_not_behind(self, clock: Clock) -> None:
        """Wall time and trusted time are the same until somebody sets one back."""
        assert abs(clock.behind().total_seconds()) < 1
