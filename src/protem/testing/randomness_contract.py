"""What every source of identifiers and tokens promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from protem.ports.randomness import Randomness

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class RandomnessContract:
    """Override ``randomness``."""

    @pytest.fixture
    def randomness(self) -> Randomness:
        """Return the source under test."""
        raise NotImplementedError

    def test_no_two_are_alike(self, randomness: Randomness) -> None:
        """A thousand identifiers of one moment and a thousand tokens, all different."""
        assert len({randomness.grant_id(NOON) for _ in range(1000)}) == 1000
        assert len({randomness.token().reveal() for _ in range(1000)}) == 1000

    def test_identifiers_sort_by_their_moment(self, randomness: Randomness) -> None:
        """A millisecond later sorts later, whatever the random part."""
        step = timedelta(milliseconds=1)
        made = [randomness.grant_id(NOON + step * count) for count in range(100)]
        assert made == sorted(made)

    def test_a_token_is_long_and_not_printed(self, randomness: Randomness) -> None:
        """At least 32 characters, which show only when revealed."""
        token = randomness.token()
        assert len(token.reveal()) >= 32
        assert token.reveal() not in repr(token) + str(token)
