"""The virtual loop itself: jumps, shuffles, stops, and says when nothing can come any more."""

import asyncio
from datetime import timedelta

import pytest

from protem.domain.trusted_time import MOST_BEHIND
from protem.system.clock import SystemClock
from protem.testing.clock_contract import ClockContract
from protem.testing.virtual_loop import (
    START,
    Deadlock,
    MachineClocks,
    TrueClock,
    VirtualLoop,
    run,
    running_loop,
    start_in,
)


async def order_of_ten():
    """The order in which ten equal tasks run."""
    order = []

    async def note(number):
        await asyncio.sleep(1)
        order.append(number)

    await asyncio.gather(*(note(number) for number in range(10)))
    return order


def test_years_pass_at_once():
    """Timers fire at their time, and nobody waits for it."""

    async def main():
        await asyncio.sleep(timedelta(days=3650).total_seconds())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        return running_loop().time()

    assert run(main()) == pytest.approx(timedelta(days=3650).total_seconds() + 0.001)


def test_the_seed_decides_the_order_and_nothing_else_does():
    """The same seed gives the same order; many seeds give many orders."""
    assert run(order_of_ten(), seed=1) == run(order_of_ten(), seed=1)
    orders = {tuple(run(order_of_ten(), seed=seed)) for seed in range(50)}
    assert len(orders) > 40
    assert all(sorted(order) == list(range(10)) for order in orders)


def test_waiting_for_what_cannot_come_is_an_error():
    """In place of hanging; also when all that could act is stopped."""

    async def waits():
        await asyncio.Event().wait()

    async def stopped():
        loop = running_loop()
        task = start_in("a", asyncio.sleep(1))
        loop.stop_process("a")
        await task

    with pytest.raises(Deadlock, match="stopped processes: none"):
        run(waits())
    with pytest.raises(Deadlock, match="stopped processes: a"):
        run(stopped())


def test_a_stopped_process_runs_nothing_and_then_all_that_was_due():
    """What its tasks started is stopped too; other processes go on."""

    async def ticks(log, name):
        async with asyncio.TaskGroup() as group:
            for at in range(1, 6):
                group.create_task(tick(log, name, at))

    async def tick(log, name, at):
        await asyncio.sleep(at)
        log.append((name, running_loop().time()))

    async def main():
        log, loop = [], running_loop()
        tasks = [start_in(name, ticks(log, name)) for name in "ab"]
        await asyncio.sleep(2.5)
        loop.stop_process("a")
        await asyncio.sleep(10)
        loop.continue_process("a")
        await asyncio.gather(*tasks)
        return log

    log = run(main())
    assert [at for name, at in log if name == "b"] == [1, 2, 3, 4, 5]
    assert [at for name, at in log if name == "a"] == [1, 2, 12.5, 12.5, 12.5]


def test_a_timeout_that_passed_while_stopped_may_come_before_or_after_the_answer():
    """Both orders are tried: which one a real machine takes is chance."""

    async def ask(answer):
        try:
            async with asyncio.timeout(5):
                await answer.wait()
        except TimeoutError:
            return "timeout"
        return "answer"

    async def main():
        loop, answer = running_loop(), asyncio.Event()
        task = start_in("a", ask(answer))
        await asyncio.sleep(1)
        loop.stop_process("a")
        await asyncio.sleep(10)
        answer.set()
        loop.continue_process("a")
        return await task

    assert {run(main(), seed=seed) for seed in range(30)} == {"timeout", "answer"}


def test_a_suspended_machine_stands_still_but_its_boot_time_clock_does_not():
    """As CLOCK_BOOTTIME and CLOCK_MONOTONIC differ."""

    async def main():
        loop = running_loop()
        machine = MachineClocks(loop)
        before = machine.read()
        loop.suspend(timedelta(hours=8))
        return before, machine.read(), loop.time()

    before, after, seconds = run(main())
    assert after.since_boot - before.since_boot == timedelta(hours=8)
    assert after.moment - before.moment == timedelta(hours=8)
    assert seconds == 0


def test_steps_and_reboots_move_one_clock_and_not_the_other():
    """A step moves the wall clock alone; a reboot starts the boot-time clock anew."""
    loop = VirtualLoop()
    machine = MachineClocks(loop, ahead=timedelta(seconds=3))
    first = machine.read()
    assert first.moment == START + timedelta(seconds=3)
    machine.step(timedelta(days=-365))
    stepped = machine.read()
    assert (stepped.since_boot, stepped.boot) == (first.since_boot, first.boot)
    assert first.moment - stepped.moment == timedelta(days=365)
    machine.reboot()
    assert machine.read().boot != first.boot
    assert machine.read().since_boot == timedelta(0)
    loop.close()


class TestTrueClock(ClockContract):
    """The judge's clock is a clock."""

    @pytest.fixture
    def clock(self):
        """One that stands still."""
        loop = VirtualLoop()
        yield TrueClock(loop)
        loop.close()


def test_the_real_clock_runs_on_virtual_machines():
    """SystemClock over such readings keeps trusted time through a step back."""

    async def main():
        machine = MachineClocks(running_loop())
        clock = SystemClock(machine.read)
        machine.step(-timedelta(days=1))
        await asyncio.sleep(60)
        return clock.now(), clock.mark().moment - machine.read().moment

    now, behind = run(main())
    assert now == START + timedelta(seconds=60)
    assert behind > MOST_BEHIND
