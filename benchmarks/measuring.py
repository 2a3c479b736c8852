"""The small pieces that every benchmark shares: idle processors, peers in turn, a verdict.

Here: waiting until the machine is quiet, interleaving, medians, and the one form in which a figure
is printed. Not here: what is measured.

Invariant: a figure is a ratio of two things measured in the same run, against a limit that was
written down before it was measured. A figure that misses its limit is printed like any other.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

IDLE_BELOW = 0.10
QUIET_SECONDS = 3


def processor_times(text: str) -> tuple[int, int]:
    """Return (busy, all) ticks since boot from the text of ``/proc/stat`` (proc(5))."""
    ticks = [int(field) for field in text.splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def wait_until_idle(at_most_seconds: float = 300.0) -> bool:
    """Wait until the processors were quiet for some seconds; return whether they became so."""
    deadline = time.monotonic() + at_most_seconds
    quiet = 0
    busy, total = processor_times(Path("/proc/stat").read_text())
    while time.monotonic() < deadline:
        time.sleep(1)
        busy_now, total_now = processor_times(Path("/proc/stat").read_text())
        share = (busy_now - busy) / max(total_now - total, 1)
        busy, total = busy_now, total_now
        quiet = quiet + 1 if share < IDLE_BELOW else 0
        if quiet >= QUIET_SECONDS:
            return True
    return False


def interleave(
    peers: Mapping[str, Callable[[], object]], rounds: int = 3
) -> dict[str, list[float]]:
    """Return the seconds that each peer took in each round, all peers once a round.

    Whatever disturbs the machine then disturbs all of them, and the ratio suffers least.
    """
    taken: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, work in peers.items():
            started = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - started)
    return taken


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each peer."""
    return {name: statistics.median(values) for name, values in taken.items()}


def is_met(ratio: float, limit: str) -> bool:
    """Say whether ``ratio`` keeps a limit written ``<=0.15`` or ``>=4``."""
    bound = float(limit[2:])
    if limit.startswith("<="):
        return ratio <= bound
    if limit.startswith(">="):
        return ratio >= bound
    raise ValueError(f"a limit starts with <= or >=, not {limit!r}")


def figure(goal: str, what: str, ratio: float, limit: str, rounds: Sequence[float] = ()) -> None:
    """Print one figure as a line of JSON, which ``run.py`` gathers into its table.

    Args:
        goal: the goal's name, as in ``README.md`` beside this file.
        what: ours and the peer, in a few words.
        ratio: ours to the peer's, of this run's medians.
        limit: ``<=0.15`` or ``>=4``.
        rounds: the same ratio in each round, where there are such.
    """
    found = {
        "goal": goal,
        "what": what,
        "ratio": round(ratio, 4),
        "limit": limit,
        "met": is_met(ratio, limit),
        "rounds": [round(value, 4) for value in rounds],
    }
    print(json.dumps(found), flush=True)
