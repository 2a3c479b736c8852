"""A clock that steps: nothing begins after a step back, all ends in time, a person can mend it."""

from datetime import timedelta

import pytest

from protem.domain.errors import ClockSteppedBackError
from protem.domain.grants import GrantState
from protem.services.end_grant import end_grant
from protem.services.extend_grant import extend_grant
from protem.services.keep_time import keep_time, recall_time
from protem.services.request_access import request_access
from protem.services.trust_clock import trust_clock
from protem.testing.manual_clock import ManualClock

from .conftest import PUBLIC_HALF

YEARS = timedelta(days=3_650)
MINUTE = timedelta(minutes=1)


async def ask(company, public_half=PUBLIC_HALF):
    """Dana's request."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), public_half)
    return asked.grant


@pytest.fixture
async def active(company):
    """An active grant."""
    grant = await ask(company)
    await company.reconciler.run_once()
    return grant


@pytest.mark.parametrize("back", [timedelta(seconds=3), timedelta(hours=1), YEARS])
async def test_after_a_step_back_nothing_begins_and_everything_ends_in_time(company, active, back):
    """Neither a request nor an extension; the expiry comes when it would have come."""
    company.clock.step(-back)
    with pytest.raises(ClockSteppedBackError):
        await ask(company)
    with pytest.raises(ClockSteppedBackError):
        await extend_grant(company.around, company.dana, active.id, MINUTE)
    company.clock.advance(15 * MINUTE)
    await company.reconciler.run_once()
    assert (await company.stored(active.id)).state is GrantState.ENDED


async def test_after_a_step_back_one_can_still_give_back(company, active):
    """Ending never asks the clock."""
    company.clock.step(-YEARS)
    await end_grant(company.around, company.dana, active.id)
    await company.reconciler.run_once()
    assert (await company.stored(active.id)).state is GrantState.ENDED


async def test_two_seconds_back_are_a_leap_second(company, active):
    """And change nothing."""
    del active
    company.clock.step(timedelta(seconds=-2))
    assert (await ask(company)).state is GrantState.PROVISIONING


async def test_a_step_forward_ends_early(company, active):
    """That is allowed, and it is on record."""
    company.clock.step(YEARS)
    await company.reconciler.run_once()
    assert (await company.stored(active.id)).state is GrantState.ENDED


async def test_the_mark_outlives_a_restart(company):
    """A machine that comes up with its clock set back does not begin anything."""
    await keep_time(company.store, company.clock)
    restarted = ManualClock(company.clock.now() - YEARS, boot="another")
    await recall_time(company.store, restarted)
    assert restarted.now() == company.clock.now()
    with pytest.raises(ClockSteppedBackError):
        restarted.check_steady()


async def test_a_machine_finds_its_own_mark_beside_a_later_one(company):
    """Another machine's mark, kept after ours, does not hide how long we were away."""
    away, start = 10 * MINUTE, company.clock.now()
    await keep_time(company.store, company.clock)
    other = ManualClock(start + MINUTE, boot="another")
    await keep_time(company.store, other)
    restarted = ManualClock(start - YEARS, boot=company.clock.reading.boot)
    restarted.advance(away)
    await recall_time(company.store, restarted)
    assert restarted.now() == start + away


async def test_each_beginning_keeps_the_mark_that_its_expiry_counts_from(company, active):
    """A machine that is rebooted right after, with its clock set back, ends the grant in time."""
    (kept,) = await company.store.read(lambda view: view.clock.marks())
    assert kept.moment == active.activated_at
    company.clock.advance(MINUTE)
    await extend_grant(company.around, company.dana, active.id, MINUTE)
    restarted = ManualClock(active.activated_at - YEARS, boot="another")
    await recall_time(company.store, restarted)
    assert restarted.now() == active.activated_at + MINUTE


async def test_a_skewed_replica_pulls_the_other_along(company):
    """The later of two clocks holds for both once they have exchanged marks."""
    ahead = ManualClock(company.clock.now() + MINUTE, boot="another")
    await keep_time(company.store, ahead)
    await keep_time(company.store, company.clock)
    assert company.clock.now() == ahead.now()


async def test_a_person_can_vouch_for_the_clock(company, active):
    """What was begun in the false time is closed, what was begun before keeps its true expiry."""
    start = company.clock.now()
    company.clock.step(8 * MINUTE)
    meanwhile = await ask(company)
    await company.reconciler.run_once()
    waiting = (
        await request_access(company.around, company.dana, company.ask("emails"), None)
    ).grant
    await keep_time(company.store, company.clock)
    company.clock.step(-8 * MINUTE)

    right = ManualClock(start, boot="a-boot")
    done = await trust_clock(company.around, right.reading, "operator")
    assert (done.was, done.now) == (start + 8 * MINUTE, start)
    assert done.closed == (waiting.id, meanwhile.id) or set(done.closed) == {meanwhile.id}
    assert (await company.stored(meanwhile.id)).state is GrantState.ENDING
    kept = await company.stored(active.id)
    assert (kept.state, kept.expires_at) == (GrantState.ACTIVE, active.expires_at)
    entries = await company.entries()
    assert entries[-1]["kind"] == "clock.trusted"
    assert entries[-1]["actor"] == "operator"
    for row in (active, meanwhile, waiting):
        sequence = [entry["seq"] for entry in entries if entry["grant"] == row.id]
        assert sequence == list(range(1, len(sequence) + 1))


async def test_what_waits_in_the_false_future_is_due_again(company, active):
    """A retry put off to a year that is not coming, and the lease on it, are brought back."""
    company.clock.step(YEARS)
    company.connector.hang_next()
    await company.store.write(
        lambda tx: tx.work.claim(
            now=company.clock.now(),
            until=company.clock.now() + MINUTE,
            owner="dead",
            limit=9,
        )
    )
    await keep_time(company.store, company.clock)
    right = ManualClock(company.clock.reading.moment - YEARS, boot="a-boot")
    await end_grant(company.around, company.dana, active.id)
    await trust_clock(company.around, right.reading, "operator")
    due = await company.store.read(lambda view: view.work.next_due())
    assert due == right.now()


async def test_there_is_nothing_to_vouch_for_when_time_is_right(company, active):
    """A clock at or after the mark changes nothing, and nothing is put on record."""
    del active
    await keep_time(company.store, company.clock)
    entries = len(await company.entries())
    done = await trust_clock(company.around, company.clock.reading, "operator")
    assert (done.was, done.closed) == (None, ())
    assert len(await company.entries()) == entries
