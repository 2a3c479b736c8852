"""Attempts whose outcome is unknown, and leases that changed hands: nothing late survives."""

import asyncio
from datetime import timedelta

from protem.domain.errors import IndeterminateError
from protem.domain.grants import GrantState
from protem.domain.orders import MOST_CLOCK_SKEW
from protem.services.end_grant import end_grant
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.request_access import request_access

from .conftest import PUBLIC_HALF, eventually, settle

LEASE = timedelta(seconds=30)


async def ask(company):
    """Dana's request, allowed at once and on its way."""
    return (
        await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    ).grant


async def test_an_order_runs_out_before_its_lease(company):
    """By as much as clocks may differ, so that whoever takes over finds nothing late."""
    grant = await ask(company)
    order = grant.order.order
    assert order.issued_at == company.clock.now()
    assert order.provision_by == company.clock.now() + LEASE - MOST_CLOCK_SKEW


async def test_every_later_attempt_has_an_order_of_its_own(company):
    """The same decision and expiry, with a new time in which the target takes it."""
    company.connector.fail_next(IndeterminateError("who knows"))
    grant = await ask(company)
    await company.reconciler.run_once()
    company.clock.advance(timedelta(minutes=5))
    await company.reconciler.run_once()
    assert (await company.stored(grant.id)).state is GrantState.ACTIVE
    assert company.target.grants[grant.id].expires_at == grant.expires_at


async def test_what_may_still_happen_is_waited_for_before_the_end(company):
    """Revoked after an attempt of unknown outcome: ended at once, and again when nothing comes."""
    company.connector.fail_next(IndeterminateError("the answer was lost"))
    grant = await ask(company)
    await company.reconciler.run_once()
    unsettled = (await company.stored(grant.id)).unsettled_until
    assert unsettled == grant.order.order.provision_by

    await end_grant(company.around, company.dana, grant.id)
    await company.reconciler.run_once()
    waiting = await company.stored(grant.id)
    assert waiting.state is GrantState.ENDING
    assert waiting.due_at == unsettled + MOST_CLOCK_SKEW
    assert company.connector.calls.count("end") == 1

    # The call that was given up arrives after all.
    await company.connector.provision(grant.order, PUBLIC_HALF)
    assert grant.id in company.target.grants
    company.clock.advance(waiting.due_at - company.clock.now())
    await company.reconciler.run_once()
    assert company.target.grants == {}
    assert (await company.stored(grant.id)).state is GrantState.ENDED


async def test_a_refusal_leaves_nothing_unsettled(company):
    """When the target said that it did nothing, the end is recorded at once."""
    grant = await ask(company)
    await company.reconciler.run_once()
    await end_grant(company.around, company.dana, grant.id)
    await company.reconciler.run_once()
    over = await company.stored(grant.id)
    assert (over.state, over.unsettled_until) == (GrantState.ENDED, None)


async def test_a_revocation_waits_for_the_call_under_way_and_beats_it(company):
    """Nobody ends beside a provisioning call; whoever made it sees the revocation and ends."""
    company.connector.hang_next()
    grant = await ask(company)
    work = asyncio.create_task(company.reconciler.run_once())
    await settle()
    await end_grant(company.around, company.dana, grant.id)
    assert company.connector.calls == ["provision"], "the lease is the provisioning task's"
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    successor = ReconcileGrants(lambda: company.around, owner="another")
    assert await successor.run_once() == 0, "the dead one's lease holds"
    await company.connector.provision(grant.order, PUBLIC_HALF)
    company.clock.advance(LEASE)
    await successor.run_once()
    assert company.target.grants == {}
    assert (await company.stored(grant.id)).state is GrantState.ENDED


async def test_an_outcome_without_its_lease_is_dropped(company):
    """One that slept through its lease changes nothing; the one who took over has the last word."""
    company.connector.interrupt_next_provision()
    grant = await ask(company)
    slept = grant
    company.clock.advance(LEASE)
    successor = ReconcileGrants(lambda: company.around, owner="another")
    claimed = await company.store.write(
        lambda tx: tx.work.claim(
            now=company.clock.now(),
            until=company.clock.now() + LEASE,
            owner="another",
            limit=9,
        )
    )
    assert [each.id for each in claimed] == [grant.id]
    company.reconciler.hand_over(slept)
    await company.reconciler.run_once()
    stored = await company.stored(grant.id)
    assert stored == grant, "nothing was written"
    assert company.target.grants == {}, "nor was the target touched with an order of that lease"
    successor.hand_over(stored)
    await successor.run_once()
    company.clock.advance(LEASE)
    await successor.run_once()
    assert (await company.stored(grant.id)).state is GrantState.ACTIVE


async def test_two_tasks_of_one_process_take_turns(company):
    """A grant that this process claims again, after sleeping too long, waits for its own task."""
    company.connector.hang_next()
    grant = await ask(company)
    running = asyncio.create_task(company.reconciler.run())
    await settle()
    company.clock.advance(LEASE)
    company.around.announcer.announce(grant.id)
    await eventually(lambda: len(company.reconciler._working) == 2)
    await settle()
    assert company.connector.calls == ["provision"]

    first, _ = sorted(company.reconciler._working, key=lambda task: int(task.get_name()[5:]))
    first.cancel()
    await eventually(lambda: not company.reconciler._working)
    assert company.connector.calls == ["provision", "provision"]
    assert (await company.stored(grant.id)).state is GrantState.ACTIVE
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
