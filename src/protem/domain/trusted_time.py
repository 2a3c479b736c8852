"""A time that is never turned back: what every expiry is judged by.

Here: readings of a machine's clocks, the mark that is kept between them, and the rule that joins
the two. Not here: reading a clock (a port) or keeping the mark (the store).

The wall clock can be set to anything; the boot-time clock runs on through suspend and cannot be
set. So trusted time is the later of the wall clock and the last mark plus the boot time since.
Across a restart of the machine the boot-time clock starts anew, and the mark alone is what holds.

Invariants:
- Trusted time never goes back, whatever the wall clock does, for as long as the mark is kept.
- A wall clock that is set forward ends things early; none makes them last longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.durations import format_duration
from protem.domain.errors import ClockSteppedBackError

MOST_BEHIND = timedelta(seconds=2)
"""How far the wall clock may be behind trusted time; a leap second is one."""
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """One look at the clocks of a machine, or (as a mark) what was trusted at that look.

    Attributes:
        moment: the wall clock's time; of a mark, the trusted time.
        since_boot: of the boot-time clock, which nobody sets.
        boot: names one run of the machine; readings of another run do not compare.
    """

    moment: datetime
    since_boot: timedelta
    boot: str


def advance(mark: ClockReading | None, reading: ClockReading) -> ClockReading:
    """Return the mark after ``reading``: its moment is trusted time now."""
    if mark is None:
        return reading
    elapsed = _NOTHING
    if mark.boot == reading.boot:
        elapsed = max(reading.since_boot - mark.since_boot, _NOTHING)
    return replace(reading, moment=max(reading.moment, mark.moment + elapsed))


def later_of(mark: ClockReading | None, other: ClockReading, now: ClockReading) -> ClockReading:
    """Return what both marks prove to be past at ``now``; ``other`` may be of another machine."""
    ours, theirs = advance(mark, now), advance(other, now)
    return max(ours, theirs, key=lambda found: found.moment)


def refuse_if_behind(mark: ClockReading, reading: ClockReading) -> None:
    """Return if the wall clock can be believed enough to begin something new.

    Raises:
        ClockSteppedBackError: when it is more than ``MOST_BEHIND`` behind trusted time.
    """
    behind = mark.moment - reading.moment
    if behind > MOST_BEHIND:
        raise ClockSteppedBackError(
            f"this machine's clock is {format_duration(behind)} behind a time that it has shown "
            "before; nothing is granted until it has caught up, and what is granted ends in time",
            next_step="synchronise it (NTP); if it was ahead before and is right now: "
            "protem server trust-clock",
        )
