"""When something shall begin, as people write it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from protem.domain.errors import InvalidError
from protem.entrypoints.cli.start_times import parse_start

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # 13:00 in Berlin


def at(day, hour, minute=0, second=0):
    """A moment of March 2026."""
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("22:00", at(10, 21)),
        ("9:30", at(11, 8, 30)),
        ("13:00", at(11, 12)),
        ("13:00:01", at(10, 12, 0, 1)),
        (" 22:00 UTC ", at(10, 22)),
        ("22:00 America/New_York", at(11, 2)),
        ("22:00+01:00", at(10, 21)),
        ("22:00Z", at(10, 22)),
        ("2026-03-12T22:00", at(12, 21)),
        ("2026-03-12 22:00 UTC", at(12, 22)),
        ("2026-03-12T22:00:30Z", at(12, 22, 0, 30)),
        ("2026-03-01T22:00Z", at(1, 22)),
    ],
)
def test_a_time_is_the_next_one_there_and_a_day_is_that_day(text, moment):
    """By this machine's clock, a named place's, or an offset; what is past the server refuses."""
    assert parse_start(text, NOW, BERLIN) == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-03-29T02:30", "there is no 2026-03-29 02:30"),
        ("2026-10-25T02:30", "there twice"),
        ("2026-10-25T02:30 Europe/Berlin", "there twice"),
    ],
)
def test_a_time_that_clocks_skip_or_repeat_is_not_guessed(text, told):
    """With an offset it is one moment."""
    with pytest.raises(InvalidError, match=told):
        parse_start(text, NOW, BERLIN)
    assert parse_start("2026-10-25T02:30+02:00", NOW, BERLIN).hour == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "tomorrow",
        "25:00",
        "22:60",
        "22",
        "22:00:60",
        "2026-13-01T22:00",
        "2026-02-30T22:00",
        "9999-12-31T23:59 America/New_York",
        "22:00+01:00 UTC",
        "22:00 Nowhere/Land",
        "22:00 ../../etc/passwd",
        "22:00 /etc/passwd",
        "22:00\x1b[2J",
        "\u0662\u0662:\u0660\u0660",
        "1" * 10_000,
    ],
)
def test_anything_else_is_refused_in_a_sentence(text):
    """No trace, and nothing of it on the terminal as it is."""
    with pytest.raises(InvalidError) as refused:
        parse_start(text, NOW, BERLIN)
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 250
