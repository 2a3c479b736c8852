"""What the benchmark runner reads and prints."""

import json

import pytest
from benchmarks import measuring


@pytest.mark.parametrize(
    ("ratio", "limit", "met"),
    [(0.15, "<=0.15", True), (0.16, "<=0.15", False), (4.0, ">=4", True), (3.9, ">=4", False)],
)
def test_a_limit_is_kept_or_missed(ratio, limit, met):
    """The bound itself is within the limit."""
    assert measuring.is_met(ratio, limit) is met


def test_a_limit_without_a_direction_is_refused():
    """A bare number does not say which side is good."""
    with pytest.raises(ValueError, match="<= or >="):
        measuring.is_met(1.0, "0.15")


def test_waiting_for_a_disk_is_not_being_busy():
    """Idle and iowait ticks are idle; guest time is already in user time."""
    assert measuring.processor_times("cpu  10 1 4 80 5 0 2 3 7 7\ncpu0 ...") == (20, 105)


def test_a_figure_is_one_line_of_json(capsys):
    """The runner finds goal, ratio, limit and verdict on one line."""
    measuring.figure("G6", "issue", 0.2, "<=0.15", [0.19, 0.2, 0.21])
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    found = json.loads(printed)
    assert (found["goal"], found["met"], found["rounds"]) == ("G6", False, [0.19, 0.2, 0.21])


def test_every_peer_runs_once_a_round():
    """Peers take turns, so that a disturbance meets all of them."""
    calls = []
    taken = measuring.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")})
    assert calls == ["a", "b"] * 3
    assert {name: len(times) for name, times in taken.items()} == {"a": 3, "b": 3}
