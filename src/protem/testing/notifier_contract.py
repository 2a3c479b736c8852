"""What every channel promises, as a suite.

Here: the promises of ``ports.notifier``. Not here: what a channel is; the fixture says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.instants import parse_instant
from protem.domain.notices import Notice, NoticeKind
from protem.ports.notifier import Notifier

NOTICE = Notice(
    id="01kdvdn6390000000000000003.1.1.review",
    kind=NoticeKind.REVIEW_WANTED,
    at=parse_instant("2026-05-01T12:00:00Z"),
    title="dana asks for orders-db",
    lines=(("Who", "dana"), ("Runs", "psql -c 'select 1'"), ("Digest", "sha256:" + "0" * 64)),
    risks=("WRITES data",),
    digest="sha256:" + "0" * 64,
    path="/requests/01kdvdn6390000000000000003",
)
HOSTILE = (
    "<!channel> <b>&amp;</b> \x1b[2J\u202e\r\nBcc: eve@example.com\0 @everyone [x](https://e) "
    + "y" * 5_000
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierUnderTest:
    """A channel, and what a test must be able to make happen at its other end.

    Attributes:
        seen: what arrived so far, as text.
        be_away: make the other end fail from now on, for a while.
        refuse: make the other end refuse from now on, for good.
    """

    notifier: Notifier
    seen: Callable[[], Sequence[str]]
    be_away: Callable[[], None]
    refuse: Callable[[], None]


class NotifierContract:
    """Override ``channel``."""

    @pytest.fixture
    async def channel(self) -> NotifierUnderTest:
        """The channel under test."""
        raise NotImplementedError

    async def test_everything_that_a_decision_rests_on_arrives(
        self, channel: NotifierUnderTest
    ) -> None:
        """Title, every line, every risk, and the way to the page."""
        await channel.notifier.deliver(NOTICE)
        (seen,) = channel.seen()
        for text in (NOTICE.title, "WRITES data", NOTICE.path, *(text for _, text in NOTICE.lines)):
            assert text in seen, text

    async def test_hostile_text_is_delivered_and_does_nothing(
        self, channel: NotifierUnderTest
    ) -> None:
        """No control character arrives raw, and too long a text is no error."""
        hostile = replace(NOTICE, title=HOSTILE, lines=(("Who", HOSTILE),), risks=(HOSTILE,))
        await channel.notifier.deliver(hostile)
        (seen,) = channel.seen()
        assert not {"\x1b", "\0", "\u202e"} & set(seen)

    async def test_a_channel_that_is_away_says_so(self, channel: NotifierUnderTest) -> None:
        """It is worth trying again."""
        channel.be_away()
        with pytest.raises(RetryLaterError):
            await channel.notifier.deliver(NOTICE)

    async def test_a_channel_that_refuses_says_so(self, channel: NotifierUnderTest) -> None:
        """It is not worth trying again."""
        channel.refuse()
        with pytest.raises(RefusedError):
            await channel.notifier.deliver(NOTICE)
