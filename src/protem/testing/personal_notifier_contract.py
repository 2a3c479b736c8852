"""What every channel promises that reaches single persons, as a suite.

Here: the promises of ``ports.personal_notifier``. Not here: what a channel is; the fixture says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from protem.domain.answer_links import AnswerWay
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.ports.personal_notifier import PersonalNotifier
from protem.testing.notifier_contract import NOTICE

KNOWN = PrincipalId(issuer="local", subject="ann")
STRANGER = PrincipalId(issuer="local", subject="eve")
WAY = AnswerWay(path=Secret("/answers/ptm_" + "k" * 43), until=NOTICE.at + timedelta(minutes=10))


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalNotifierUnderTest:
    """A channel that knows ``KNOWN`` alone, and what a test must be able to make happen.

    Attributes:
        seen: what arrived for ``KNOWN`` alone so far, as text.
        be_away: make the other end fail from now on, for a while.
    """

    notifier: PersonalNotifier
    seen: Callable[[], Sequence[str]]
    be_away: Callable[[], None]


class PersonalNotifierContract:
    """Override ``personal``."""

    @pytest.fixture
    async def personal(self) -> PersonalNotifierUnderTest:
        """The channel under test."""
        raise NotImplementedError

    async def test_a_person_gets_the_whole_notice_with_their_own_way(
        self, personal: PersonalNotifierUnderTest
    ) -> None:
        """Every line, the page, and the link."""
        assert personal.notifier.people == {KNOWN}
        await personal.notifier.deliver_to(KNOWN, NOTICE, WAY)
        (seen,) = personal.seen()
        wanted = (NOTICE.title, NOTICE.path, *(text for _, text in NOTICE.lines))
        for text in (*wanted, WAY.path.reveal()):
            assert text in seen, text

    async def test_without_a_way_there_is_the_page_alone(
        self, personal: PersonalNotifierUnderTest
    ) -> None:
        """Where a signature is asked for, nothing in it answers."""
        await personal.notifier.deliver_to(KNOWN, NOTICE, None)
        (seen,) = personal.seen()
        assert NOTICE.path in seen
        assert "/answers" not in seen

    async def test_who_is_not_known_is_refused(self, personal: PersonalNotifierUnderTest) -> None:
        """A link of one person never goes to another's address."""
        with pytest.raises(RefusedError):
            await personal.notifier.deliver_to(STRANGER, NOTICE, WAY)
        assert personal.seen() == []

    async def test_a_person_who_cannot_be_reached_now_is_tried_again(
        self, personal: PersonalNotifierUnderTest
    ) -> None:
        """And the error does not hold the link."""
        personal.be_away()
        with pytest.raises(RetryLaterError) as raised:
            await personal.notifier.deliver_to(KNOWN, NOTICE, WAY)
        assert WAY.path.reveal() not in str(raised.value)
