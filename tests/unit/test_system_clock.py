"""The system's clocks joined: never back, for many threads, and over what was kept."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protem.domain.errors import ClockSteppedBackError
from protem.domain.trusted_time import ClockReading
from protem.system.clock import SystemClock, system_readings

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """A machine whose clocks are set by hand."""

    def __init__(self):
        self.shown = ClockReading(moment=START, since_boot=HOUR, boot="a")

    def __call__(self):
        """Look at its clocks."""
        return self.shown

    def move(self, wall, boot):
        """Move each clock by so many seconds."""
        self.shown = replace(
            self.shown,
            moment=self.shown.moment + timedelta(seconds=wall),
            since_boot=self.shown.since_boot + timedelta(seconds=boot),
        )


def test_this_machines_readings_are_of_this_boot():
    """Two looks share the boot's name, and the boot time runs."""
    read = system_readings()
    first, second = read(), read()
    assert first.boot == second.boot != ""
    assert second.since_boot >= first.since_boot > timedelta(0)
    assert abs(first.moment - datetime.now(UTC)) < HOUR


def test_a_step_back_freezes_until_the_wall_clock_has_caught_up():
    """Meanwhile the time goes on at its own pace."""
    machine = Machine()
    clock = SystemClock(machine)
    machine.move(-3_600, 1)
    assert clock.now() == START + timedelta(seconds=1)
    with pytest.raises(ClockSteppedBackError):
        clock.check_steady()
    machine.move(3_600 + 10, 10)
    clock.check_steady()
    assert clock.now() == START + timedelta(seconds=11)


def test_a_mark_that_was_kept_is_learnt():
    """From then on no earlier moment is told."""
    machine = Machine()
    clock = SystemClock(machine)
    clock.learn(ClockReading(moment=START + HOUR, since_boot=HOUR, boot="before the restart"))
    assert clock.now() == START + HOUR
    clock.learn(ClockReading(moment=START, since_boot=HOUR, boot="older still"))
    assert clock.now() == START + HOUR
    with pytest.raises(ClockSteppedBackError):
        clock.check_steady()


def test_no_thread_is_told_an_earlier_moment_than_before():
    """Eight threads ask while the wall clock jumps to and fro."""
    machine, done = Machine(), threading.Event()
    clock, gone_back = SystemClock(machine), []

    def ask():
        last = clock.now()
        while not done.is_set():
            now = clock.now()
            if now < last:
                gone_back.append((last, now))
            last = now

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(3_000):
        machine.move(30 if number % 2 else -30, 0.001)
    done.set()
    for thread in threads:
        thread.join()
    assert gone_back == []
