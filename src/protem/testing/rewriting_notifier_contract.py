"""What every channel whose messages can be rewritten promises, as a suite.

Here: the promises of ``ports.rewriting_notifier``. Not here: those of any channel
(``notifier_contract``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from protem.domain.errors import RefusedError, RetryLaterError
from protem.ports.rewriting_notifier import RewritingNotifier
from protem.testing.notifier_contract import HOSTILE, NOTICE


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingUnderTest:
    """A channel, and what a test must be able to see and do at its other end.

    Attributes:
        messages: what each message says now, as text, in the order of posting.
        be_away: make the other end fail from now on, for a while.
        lose: make the other end forget all messages.
    """

    notifier: RewritingNotifier
    messages: Callable[[], Sequence[str]]
    be_away: Callable[[], None]
    lose: Callable[[], None]


class RewritingNotifierContract:
    """Override ``rewriting``."""

    @pytest.fixture
    async def rewriting(self) -> RewritingUnderTest:
        """The channel under test."""
        raise NotImplementedError

    async def test_a_message_is_rewritten_where_it_stands(
        self, rewriting: RewritingUnderTest
    ) -> None:
        """The one that the receipt names, and as often as one likes."""
        first = await rewriting.notifier.post(NOTICE)
        await rewriting.notifier.post(replace(NOTICE, title="another"))
        for _ in range(2):
            await rewriting.notifier.rewrite(first, NOTICE, "Approved by sam")
            one, other = rewriting.messages()
            assert "Approved by sam" in one
            assert "Approved by sam" not in other

    async def test_hostile_words_are_rewritten_harmlessly(
        self, rewriting: RewritingUnderTest
    ) -> None:
        """No control character arrives raw."""
        receipt = await rewriting.notifier.post(NOTICE)
        await rewriting.notifier.rewrite(receipt, replace(NOTICE, title=HOSTILE), HOSTILE)
        (said,) = rewriting.messages()
        assert not {"\x1b", "\0", "\u202e"} & set(said)

    async def test_a_channel_that_is_away_is_worth_another_try(
        self, rewriting: RewritingUnderTest
    ) -> None:
        """The message is there still."""
        receipt = await rewriting.notifier.post(NOTICE)
        rewriting.be_away()
        with pytest.raises(RetryLaterError):
            await rewriting.notifier.rewrite(receipt, NOTICE)

    async def test_a_message_that_is_gone_is_not(self, rewriting: RewritingUnderTest) -> None:
        """Nobody can click on it either."""
        receipt = await rewriting.notifier.post(NOTICE)
        rewriting.lose()
        with pytest.raises(RefusedError):
            await rewriting.notifier.rewrite(receipt, NOTICE)
