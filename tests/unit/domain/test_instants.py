"""Moments on the wire."""

import pytest

from protem.domain.errors import InvalidError
from protem.domain.instants import format_instant, format_start, parse_instant


@pytest.mark.parametrize(
    "text",
    ["2026-12-01T22:00:00.000000Z", "2026-12-01T22:00Z", "2026-12-02T00:00:00+02:00"],
)
def test_a_moment_is_one_whatever_zone_it_is_written_in(text):
    """All of them are the same one, and are written the same way."""
    moment = parse_instant(text)
    assert format_instant(moment) == "2026-12-01T22:00:00.000000Z"
    assert format_start(moment) == "Tue 2026-12-01 22:00:00 UTC"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-12-01",
        "2026-12-01T22:00",
        "2026-12-01T24:01Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        None,
        7,
    ],
)
def test_anything_else_is_refused_and_breaks_nothing(text):
    """So is a year that UTC has not: a comment at a target may hold one, and stops no sweep."""
    with pytest.raises(InvalidError):
        parse_instant(text)
