"""Trusted time: never back, whatever is done to the wall clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.errors import ClockSteppedBackError
from protem.domain.trusted_time import (
    MOST_BEHIND,
    ClockReading,
    advance,
    later_of,
    refuse_if_behind,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def reading(wall=0.0, boot=0.0, name="a"):
    """A look at the clocks, in seconds after the start."""
    return ClockReading(
        moment=START + wall * SECOND, since_boot=timedelta(hours=1) + boot * SECOND, boot=name
    )


def test_without_steps_it_is_the_wall_clock():
    """Both clocks move alike: the wall clock's time is told."""
    assert advance(reading(0, 0), reading(10, 10)).moment == START + 10 * SECOND


def test_a_step_back_changes_nothing():
    """The boot-time clock tells how much time has passed since the mark."""
    assert advance(reading(100, 0), reading(-5_000, 7)).moment == START + 107 * SECOND


def test_a_step_forward_is_believed_and_kept():
    """It ends things early; a step back afterwards does not undo that."""
    ahead = advance(reading(0, 0), reading(3_600, 1))
    assert ahead.moment == START + 3_600 * SECOND
    assert advance(ahead, reading(2, 2)).moment == START + 3_601 * SECOND


def test_suspend_counts():
    """A machine that slept is later by as long as it slept, whatever its wall clock says."""
    assert advance(reading(0, 0), reading(1, 8_000)).moment == START + 8_000 * SECOND


def test_after_a_restart_the_mark_holds():
    """Boot times of two runs do not compare; the time never falls below the mark."""
    mark = reading(500, 900)
    assert advance(mark, reading(20, 3, name="b")).moment == mark.moment
    assert advance(mark, reading(600, 3, name="b")).moment == START + 600 * SECOND


def test_without_a_mark_the_reading_is_believed():
    """A first start has nothing else."""
    assert advance(None, reading(5, 5)) == reading(5, 5)


def test_another_machines_mark_is_heeded():
    """Of two replicas with skewed clocks the later one's time holds for both."""
    theirs = reading(30, 77_000, name="b")
    assert later_of(reading(0, 0), theirs, reading(1, 1)).moment == theirs.moment
    assert later_of(reading(90, 0), theirs, reading(1, 1)).moment == START + 91 * SECOND


@pytest.mark.parametrize("behind", [MOST_BEHIND, timedelta(0), -DAY])
def test_a_leap_second_freezes_nothing(behind):
    """Two seconds behind is still believed."""
    refuse_if_behind(ClockReading(moment=START + behind, since_boot=DAY, boot="a"), reading())


@pytest.mark.parametrize("behind", [MOST_BEHIND + timedelta(microseconds=1), 3_650 * DAY])
def test_further_behind_nothing_begins(behind):
    """The message says by how much, and what to do."""
    with pytest.raises(ClockSteppedBackError, match="behind") as caught:
        refuse_if_behind(ClockReading(moment=START + behind, since_boot=DAY, boot="a"), reading())
    assert "trust-clock" in caught.value.next_step


@given(
    st.lists(
        st.tuples(
            st.floats(0, 10_000),
            st.one_of(st.just(0.0), st.floats(-3e8, 3e8)),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_it_never_goes_back_and_never_lags_true_time_within_a_boot(moves):
    """Any steps, sleeps and restarts: monotonic, and within one run at least as fast as time."""
    mark, offset, boot, run = reading(name="0"), 0.0, 0.0, 0
    for elapsed, step, restart in moves:
        offset += step
        boot, run = (0.0, run + 1) if restart else (boot + elapsed, run)
        wall = (mark.moment - START).total_seconds() + offset
        before = mark
        mark = advance(mark, reading(wall, boot, name=str(run)))
        assert mark.moment >= before.moment
        if not restart:
            assert mark.moment - before.moment >= timedelta(seconds=elapsed) - timedelta(
                microseconds=2
            )
