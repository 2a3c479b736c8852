"""What must happen first, so that nothing that happens in between does harm."""

import asyncio
from datetime import timedelta

from protem.domain.approvals import Verdict
from protem.domain.grants import GrantState
from protem.services.activate_grant import activate_grant
from protem.services.extend_grant import extend_grant
from protem.services.observe_targets import observe_target
from protem.services.request_access import request_access
from protem.services.review_request import Review, review_request

from .conftest import ORDERS_DB, PUBLIC_HALF


async def approved(company, asked):
    """Omar says yes to what was asked."""
    yes = Review(grant_id=asked.grant.id, digest=asked.revision.digest, verdict=Verdict.APPROVE)
    await review_request(company.around, company.omar, yes)


async def test_the_end_is_on_record_before_the_target_is_touched(company):
    """When the target is told to end, the store says ``ending``, whatever the reason."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    end, found = company.connector.end, []

    async def look_and_end(grant_id):
        found.append((await company.stored(grant_id)).state)
        await end(grant_id)

    company.connector.end = look_and_end
    company.clock.advance(timedelta(minutes=15))
    await company.reconciler.run_once()
    assert found == [GrantState.ENDING]
    assert (await company.stored(asked.grant.id)).state is GrantState.ENDED


async def test_a_grant_made_while_the_target_is_read_is_no_orphan(company):
    """Grants are read after the target: whatever was seen there was on record before."""
    observe = company.connector.observe

    async def first_someone_asks():
        await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
        await company.reconciler.run_once()
        return await observe()

    company.connector.observe = first_someone_asks
    seen = await observe_target(company.around, ORDERS_DB, statement=False)
    assert seen.orphans == ()
    assert len(company.target.grants) == 1


async def test_a_result_does_not_undo_what_was_asked_meanwhile(company):
    """While an extension is being told to the target, the next one is proposed, and stays."""
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    await approved(company, asked)
    await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    await company.reconciler.run_once()
    more = timedelta(minutes=5)
    longer = await extend_grant(company.around, company.dana, asked.grant.id, more)
    await approved(company, longer)
    provision, told, go_on = company.connector.provision, asyncio.Event(), asyncio.Event()

    async def slowly(order, public_half):
        receipt = await provision(order, public_half)
        told.set()
        await go_on.wait()
        return receipt

    company.connector.provision = slowly
    working = asyncio.create_task(company.reconciler.run_once())
    await told.wait()
    proposed = await extend_grant(company.around, company.dana, asked.grant.id, more)
    go_on.set()
    await working
    stored = await company.stored(asked.grant.id)
    assert stored.proposed_revision == proposed.revision.number
    assert stored.applied_until == stored.expires_at


async def test_a_result_of_a_lease_that_was_taken_over_is_dropped(company):
    """The call took longer than the lease and another process works on it: nothing is written."""
    lease = company.around.limits.lease
    provision = company.connector.provision

    async def outlive_the_lease(order, public_half):
        receipt = await provision(order, public_half)
        company.clock.advance(lease)
        now = company.clock.now()
        await company.store.write(
            lambda tx: tx.work.claim(now=now, until=now + lease, owner="another", limit=9)
        )
        return receipt

    company.connector.provision = outlive_the_lease
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    assert await company.stored(asked.grant.id) == asked.grant
