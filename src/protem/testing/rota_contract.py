"""What every rota promises, as a suite.

Here: the promises of ``ports.rota``. Not here: how a source comes to say so; the fixture does it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.principals import PrincipalId
from protem.ports.rota import Rota

ANA = PrincipalId(issuer="local", subject="ana")
BEN = PrincipalId(issuer="local", subject="ben")
NOW = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
"""The day before the clocks of Berlin are put back."""
DAY = timedelta(days=1)

SaysShifts = Callable[[list[tuple[str, datetime, datetime]]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaUnderTest:
    """A rota that knows ``ana`` and ``ben``, and the two things a test must make happen.

    Attributes:
        say: let the source hold these shifts, by name; names other than ana and ben are unknown.
        break_it: let the source be down, or say what nobody can read.
    """

    rota: Rota
    say: SaysShifts
    break_it: Callable[[], Awaitable[None]]


class RotaContract:
    """Override ``under``."""

    @pytest.fixture
    async def under(self) -> AsyncIterator[RotaUnderTest]:
        """Override: yield the rota under test and close it."""
        pytest.fail("a contract needs a rota")
        yield  # type: ignore[unreachable]  # makes this the generator that overrides are

    async def test_shifts_come_with_the_moment_they_were_read(self, under: RotaUnderTest) -> None:
        """Who is on call changes at the handover, from one moment to the next."""
        handover = NOW + timedelta(hours=20)
        await under.say([("ana", NOW - DAY, handover), ("ben", handover, NOW + 3 * DAY)])
        answer = await under.rota.shifts(now=NOW, until=NOW + DAY)
        assert (answer.schedule, answer.as_of) == (under.rota.schedule, NOW)
        assert answer.on_call(NOW) == {ANA}
        assert answer.on_call(handover - timedelta(seconds=1)) == {ANA}
        assert answer.on_call(handover) == {BEN}
        assert answer.until == NOW + DAY
        assert answer.on_call(answer.until) == frozenset()

    async def test_overlapping_shifts_are_both_on_call(self, under: RotaUnderTest) -> None:
        """Two people at once are two people."""
        await under.say([("ana", NOW - DAY, NOW + DAY), ("ben", NOW - DAY, NOW + DAY)])
        answer = await under.rota.shifts(now=NOW, until=NOW + DAY)
        assert answer.on_call(NOW) == {ANA, BEN}

    async def test_an_empty_schedule_is_an_answer(self, under: RotaUnderTest) -> None:
        """Nobody is on call, and that is no failure."""
        await under.say([])
        answer = await under.rota.shifts(now=NOW, until=NOW + DAY)
        assert (answer.shifts, answer.unknown) == ((), ())

    async def test_unknown_people_are_told_and_not_on_call(self, under: RotaUnderTest) -> None:
        """The one who is known stays on call beside them."""
        await under.say([("ana", NOW - DAY, NOW + DAY), ("mallory", NOW - DAY, NOW + DAY)])
        answer = await under.rota.shifts(now=NOW, until=NOW + DAY)
        assert answer.on_call(NOW) - {ANA} <= {PrincipalId(issuer="local", subject="mallory")}
        assert ANA in answer.on_call(NOW)
        assert answer.unknown or len(answer.on_call(NOW)) > 1

    async def test_a_source_that_is_down_says_so(self, under: RotaUnderTest) -> None:
        """By one of two errors, never by an empty answer."""
        await under.break_it()
        with pytest.raises((RetryLaterError, RefusedError)):
            await under.rota.shifts(now=NOW, until=NOW + DAY)
