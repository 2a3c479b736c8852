"""Lengths of time as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.durations import LONGEST, format_duration, parse_duration
from protem.domain.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("1h30m", 5400),
        ("45s", 45),
        ("2d", 172_800),
        (" 15m ", 900),
        ("30d", 2_592_000),
    ],
)
def test_usual_spellings_are_read(text, seconds):
    """Days, hours, minutes and seconds, largest first."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "30",
        "0m",
        "0s",
        "m",
        "-5m",
        "5m1h",
        "1.5h",
        "31d",
        "1e9s",
        "٣m",
        "5m\n5m",
        "9" * 5000 + "m",
    ],
)
def test_anything_else_is_refused(text):
    """No bare numbers, zero, negative, reordered, fractional or endless lengths."""
    with pytest.raises(InvalidError):
        parse_duration(text)


@given(st.integers(1, int(LONGEST.total_seconds())))
def test_what_is_written_reads_back(seconds):
    """Formatting and parsing are inverse."""
    length = timedelta(seconds=seconds)
    assert parse_duration(format_duration(length)) == length
