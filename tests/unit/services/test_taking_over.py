"""A new run goes on at once with what a dead one had leased, and forgets nothing that it sent."""

from datetime import timedelta

from protem.domain.grants import GrantState
from protem.domain.orders import MOST_CLOCK_SKEW
from protem.services.end_grant import end_grant
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.request_access import request_access
from protem.services.take_over_work import take_over_work

from .conftest import PUBLIC_HALF

LEASE = timedelta(seconds=30)


async def ask(company):
    """Dana's request, leased and on its way."""
    return (
        await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    ).grant


async def test_an_end_that_was_leased_is_done_and_recorded_at_once(company):
    """Nothing was being made, so nothing late can come: the new run closes it."""
    grant = await ask(company)
    await company.reconciler.run_once()
    await end_grant(company.around, company.dana, grant.id)
    successor = ReconcileGrants(lambda: company.around, owner="another")
    assert await successor.run_once() == 0, "until then the dead one's lease is respected"
    assert await take_over_work(company.around) == 1
    await successor.run_once()
    assert (await company.stored(grant.id)).state is GrantState.ENDED


async def test_what_was_being_made_is_made_again_and_stays_unsettled(company):
    """A revocation then ends it at once, and once more when the dead one's call is impossible."""
    grant = await ask(company)
    await take_over_work(company.around)
    successor = ReconcileGrants(lambda: company.around, owner="another")
    await successor.run_once()
    made = await company.stored(grant.id)
    assert (made.state, made.unsettled_until) == (
        GrantState.ACTIVE,
        grant.activated_at + LEASE,
    )
    await end_grant(company.around, company.dana, grant.id)
    company.reconciler.hand_over(await company.stored(grant.id))
    await company.reconciler.run_once()
    waiting = await company.stored(grant.id)
    assert company.target.grants == {}
    assert (waiting.state, waiting.due_at) == (
        GrantState.ENDING,
        grant.activated_at + LEASE + MOST_CLOCK_SKEW,
    )


async def test_without_leases_there_is_nothing_to_take_over(company):
    """A run that ended in order leaves no trace in the log of the next."""
    await ask(company)
    await company.reconciler.run_once()
    entries = len(await company.entries())
    assert await take_over_work(company.around) == 0
    assert len(await company.entries()) == entries
