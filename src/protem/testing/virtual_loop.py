"""An event loop without real time: hours pass at once, in an order that a seed decides.

Here: a loop that never waits, processes of it that can be stopped and continued, and a machine's
clocks that run on its time and can be set, suspended and rebooted. Not here: what is played on it.

When nothing is ready the loop's time jumps to the next timer. What is ready at the same time runs
in an order that the seed shuffles: a real loop promises more order than this, so what holds here
holds there. Everything must be in memory; there is no I/O to wait for.

Invariants:
- The same program with the same seed runs the same way.
- A stopped process runs nothing: its callbacks and due timers wait until it is continued, as under
  SIGSTOP. Which process a callback belongs to goes by its context, so by who began it.
- Where nothing can ever happen again, ``Deadlock`` says so in place of hanging.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from protem.domain.trusted_time import ClockReading

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)
_PROCESS: ContextVar[str] = ContextVar("process", default="")


class Deadlock(BaseException):
    """Nothing is ready, nothing is timed, and the program is not over."""


class VirtualLoop(BaseEventLoop):
    """An event loop on virtual time.

    Attributes:
        slept: for how much true time the machine was suspended, with the loop standing still.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _timer_cancelled_count: int
    _clock_resolution: float

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__()
        self.slept = timedelta(0)
        self._seconds = 0.0
        self._clock_resolution = 0.0  # a timer is due at its time and not a little before
        self._selector = self  # the base class asks this for events
        self._chance = random.Random(seed)  # noqa: S311  # chance that can be had again
        self._stopped: dict[str, list[asyncio.Handle]] = {}

    def time(self) -> float:
        """Return the loop's time in seconds; it starts at 0."""
        return self._seconds

    def true_time(self) -> timedelta:
        """Return how much time passed in truth, suspended or not."""
        return timedelta(seconds=self._seconds) + self.slept

    def suspend(self, length: timedelta) -> None:
        """Let time pass while nothing runs and no timer comes nearer, as a closed lid does."""
        self.slept += length

    def stop_process(self, name: str) -> None:
        """Run nothing of that process from the next callback on."""
        self._stopped.setdefault(name, [])

    def continue_process(self, name: str) -> None:
        """Let it go on, if it was stopped; all that became due meanwhile is ready at once."""
        self._ready.extend(self._stopped.pop(name, ()))

    def continue_all(self) -> None:
        """Let every stopped process go on."""
        for name in tuple(self._stopped):
            self.continue_process(name)

    def run_in_executor(  # type: ignore[override]  # needs no executor, and its types say so
        self, _executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run it at once, in place of on a thread, whose order no seed decides."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whoever awaits it gets it
            future.set_exception(error)
        return future

    def select(self, _timeout: float | None) -> list[Any]:
        """Return at once: nothing comes from outside."""
        return []

    def _run_once(self) -> None:
        self._make_due_ready()
        self._set_aside()
        while self._scheduled and not self._ready:
            self._seconds = max(self._seconds, self._scheduled[0]._when)  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
            self._make_due_ready()
            self._set_aside()
        if not self._ready:
            stopped = ", ".join(sorted(self._stopped)) or "none"
            self.continue_all()  # or what is cancelled now would never end
            raise Deadlock(f"nothing is ready and nothing is timed; stopped processes: {stopped}")
        self._chance.shuffle(self._ready)
        super()._run_once()  # type: ignore[misc]  # private to asyncio, there since 3.4

    def _make_due_ready(self) -> None:
        """Do as the base class does, but before shuffling and setting aside."""
        while self._scheduled and self._scheduled[0]._when <= self._seconds:  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
            if timer.cancelled():
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(timer)

    def _set_aside(self) -> None:
        """Keep from running what belongs to stopped processes."""
        if not self._stopped:
            return
        ready = list(self._ready)
        self._ready.clear()
        for handle in ready:
            waiting = self._stopped.get(_process_of(handle))
            (self._ready if waiting is None else waiting).append(handle)

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nothing sleeps, so nothing need be woken."""


def _process_of(handle: asyncio.Handle) -> str:
    context: Context = handle._context  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
    return context.get(_PROCESS, "")


def run(main: Coroutine[Any, Any, T], *, seed: int | str = 0) -> T:
    """Run ``main`` on a new virtual loop and return what it returns.

    Raises:
        Deadlock: when it waits for what cannot come.
    """
    loop = VirtualLoop(seed)

    async def main_and_all_on() -> T:
        try:
            return await main
        finally:
            loop.continue_all()  # as above

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main_and_all_on())


def running_loop() -> VirtualLoop:
    """Return the virtual loop that runs this."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def start_in(process: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start ``work`` as a task of that process; what it starts in turn belongs there too."""
    context = copy_context()
    context.run(_PROCESS.set, process)
    return asyncio.get_running_loop().create_task(work, context=context)


class MachineClocks:
    """The wall clock and the boot-time clock of one machine, on the virtual loop's true time."""

    def __init__(
        self, loop: VirtualLoop, *, name: str = "machine", ahead: timedelta = timedelta(0)
    ) -> None:
        """Begin with the wall clock that much ahead of true time."""
        self._loop = loop
        self._name = name
        self._boots = 1
        self._booted_at = loop.true_time() - timedelta(hours=1)
        self.ahead = ahead

    def read(self) -> ClockReading:
        """Look at the clocks."""
        true = self._loop.true_time()
        return ClockReading(
            moment=START + true + self.ahead,
            since_boot=true - self._booted_at,
            boot=f"{self._name}, boot {self._boots}",
        )

    def step(self, by: timedelta) -> None:
        """Set the wall clock by ``by``, backwards too; no time passes."""
        self.ahead += by

    def reboot(self) -> None:
        """Start the boot-time clock anew under another name."""
        self._boots += 1
        self._booted_at = self._loop.true_time()


class TrueClock:
    """Tells true time, off by a fixed skew: a target's clock, or the judge's."""

    def __init__(self, loop: VirtualLoop, *, skew: timedelta = timedelta(0)) -> None:
        self._loop, self._skew = loop, skew

    def now(self) -> datetime:
        """Return the present moment."""
        return START + self._loop.true_time() + self._skew

    def check_steady(self) -> None:
        """It always is."""

    def behind(self) -> timedelta:
        """It never is."""
        return timedelta(0)

    def mark(self) -> ClockReading:
        """Return what it tells; there is nothing to keep."""
        return ClockReading(moment=self.now(), since_boot=self._loop.true_time(), boot="truth")

    def learn(self, mark: ClockReading) -> None:
        """Learn nothing: it is right."""
