"""Windows by the clock on a wall: days, midnight, summer time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.errors import InvalidError
from protem.domain.weekly_windows import WeeklyWindow

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = WeeklyWindow.parse("Mon-Fri 09:00-17:00 Europe/Berlin")
NIGHT = WeeklyWindow.parse("Fri 22:00-06:00 Europe/Berlin")


def berlin(*parts, fold=0):
    """A moment by the clock in Berlin."""
    return datetime(*parts, tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        (berlin(2026, 11, 23, 8, 59, 59), False),
        (berlin(2026, 11, 23, 9, 0), True),
        (berlin(2026, 11, 23, 16, 59, 59), True),
        (berlin(2026, 11, 23, 17, 0), False),
        (berlin(2026, 11, 22, 12, 0), False),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), True),
        (datetime(2026, 12, 1, 7, 0, tzinfo=UTC), False),
    ],
)
def test_office_hours(moment, inside):
    """The first minute counts, the last moment does not; in summer the zone is another one."""
    assert OFFICE.holds(moment) is inside


def test_a_window_over_midnight_belongs_to_its_first_day():
    """Friday night lasts until Saturday morning, and Thursday night is none."""
    assert NIGHT.holds(berlin(2026, 11, 27, 23, 0))
    assert NIGHT.holds(berlin(2026, 11, 28, 5, 59))
    assert not NIGHT.holds(berlin(2026, 11, 27, 5, 0))
    assert not NIGHT.holds(berlin(2026, 11, 28, 6, 0))


def test_it_says_when_it_opens_next():
    """After Friday evening that is Monday morning."""
    assert OFFICE.next_opening(berlin(2026, 11, 27, 18, 0)) == berlin(2026, 11, 30, 9, 0)
    assert OFFICE.next_opening(berlin(2026, 11, 30, 8, 0)) == berlin(2026, 11, 30, 9, 0)


def test_a_time_that_is_skipped_opens_when_the_clocks_are_past_it():
    """On 2026-03-29 the clock in Berlin goes from 02:00 to 03:00: 02:30 never comes."""
    window = WeeklyWindow.parse("Sun 02:30-04:00 Europe/Berlin")
    before = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    opens = window.next_opening(before)
    assert opens == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert window.holds(opens)
    assert not window.holds(opens - timedelta(seconds=1))


def test_a_time_that_comes_twice_is_open_twice():
    """On 2026-10-25 the clock in Berlin shows 02:30 at 00:30 and at 01:30 UTC."""
    window = WeeklyWindow.parse("Sun 02:30-02:45 Europe/Berlin")
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    assert window.holds(first)
    assert window.holds(second)
    assert not window.holds(datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
    assert window.next_opening(first) == second


@pytest.mark.parametrize(
    "text",
    [
        "", "Mon", "Mon 09:00-17:00", "Mo-Fr 09:00-17:00 UTC", "Mon 9-17 UTC",
        "Mon 09:00-09:00 UTC", "Mon 25:00-26:00 UTC", "Mon 24:00-06:00 UTC",
        "Mon 09:00-17:00 Mars/Olympus", "Mon 09:00-17:00 ../../etc/passwd",
        "Mon 09:00-17:00 /etc/localtime", "Mon 09:00-17:00 UTC extra", "Mon ٠٩:00-17:00 UTC",
        "Mon- 09:00-17:00 UTC", "mon 09:00-17:00 utc\0",
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused(text):
    """With one error that says how to write it."""
    with pytest.raises(InvalidError):
        WeeklyWindow.parse(text)


days = st.sets(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), min_size=1)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
minutes = st.integers(0, 24 * 60 - 1)


@given(
    on=days,
    opens=minutes,
    closes=minutes,
    zone=zones,
    at=st.integers(0, 3 * 365 * 24 * 60).map(
        lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
def test_where_it_opens_it_is_open(on, opens, closes, zone, at):
    """The next opening is later, is inside, and comes within a fortnight."""
    if opens == closes:
        return
    text = f"{','.join(on)} {opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"
    window = WeeklyWindow.parse(f"{text} {zone}")
    found = window.next_opening(at)
    assert at < found <= at + timedelta(days=14)
    skipped = found.astimezone(window.zone).minute + found.astimezone(window.zone).hour * 60
    assert window.holds(found) or skipped != opens
    assert WeeklyWindow.parse(str(window)) == window
