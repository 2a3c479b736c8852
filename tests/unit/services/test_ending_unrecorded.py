"""With a store that cannot be written, or not even read, nothing is granted and everything ends."""

import asyncio
from datetime import timedelta

import pytest

from protem.domain.decisions import PolicyDeniedError
from protem.domain.errors import AuditUnavailableError, RefusedError, RetryLaterError
from protem.domain.grants import EndCause, GrantState
from protem.services.end_grant import end_grant
from protem.services.end_unrecorded import AGAIN_AFTER, EndUnrecorded
from protem.services.request_access import request_access

from .conftest import PUBLIC_HALF, eventually

FULL = AuditUnavailableError("the disk is full")


@pytest.fixture
async def active(company):
    """An active grant of Dana's with a live session, and then a store that is full."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    company.target.open_session(asked.grant.id)
    company.store.failure = FULL
    return asked.grant


async def test_what_was_granted_is_not_made_while_the_log_cannot_be_written(company):
    """A disk that fills up between the decision and the target: the target waits for the log."""
    grant = (
        await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    ).grant
    company.audit_log.failure = FULL
    await company.reconciler.run_once()
    assert company.connector.calls == []
    waiting = await company.stored(grant.id)
    assert (waiting.state, waiting.last_error) == (GrantState.PROVISIONING, FULL.message)
    assert waiting.unsettled_until is None
    company.audit_log.failure = None
    company.clock.advance(timedelta(seconds=1))
    await company.reconciler.run_once()
    assert (await company.stored(grant.id)).state is GrantState.ACTIVE


async def test_nothing_is_granted(company, active):
    """The request fails, and the target is not touched for it."""
    del active
    before = list(company.connector.calls)
    with pytest.raises(AuditUnavailableError):
        await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    assert company.connector.calls == before


async def test_what_expires_is_ended_and_recorded_later(company, active):
    """At E the session is cut and the privilege gone; the record follows when it can."""
    company.clock.advance(timedelta(minutes=15))
    running = asyncio.create_task(company.reconciler.run())
    for _ in range(200):
        await asyncio.sleep(0)
    assert company.target.grants == {}
    assert company.target.sessions == {}
    assert (await company.stored(active.id)).state is GrantState.ACTIVE
    company.store.failure = None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await company.reconciler.run_once()
    ended = await company.stored(active.id)
    assert (ended.state, ended.end_cause) == (GrantState.ENDED, EndCause.EXPIRED)


async def test_what_is_within_its_time_stays(company, active):
    """A full disk takes nothing away from anybody before time."""
    assert await EndUnrecorded().run_once(company.around) == 0
    assert active.id in company.target.grants


async def test_a_target_that_refuses_is_tried_at_the_next_pass(company, active):
    """And one that obeyed is looked at again only after a while."""
    company.clock.advance(timedelta(minutes=15))
    unrecorded = EndUnrecorded()
    company.connector.fail_next(RefusedError("no"))
    assert await unrecorded.run_once(company.around) == 0
    assert active.id in company.target.grants
    assert await unrecorded.run_once(company.around) == 1
    assert await unrecorded.run_once(company.around) == 0
    company.clock.advance(AGAIN_AFTER)
    assert await unrecorded.run_once(company.around) == 1


async def test_with_nothing_to_read_the_targets_deadlines_count(company, active):
    """A store that is gone: what is past its own deadline at the target is swept."""
    company.store.read_failure = AuditUnavailableError("the disk is gone")
    unrecorded = EndUnrecorded()
    assert await unrecorded.run_once(company.around) == 0
    assert active.id in company.target.grants
    company.clock.advance(timedelta(minutes=15))
    assert await unrecorded.run_once(company.around) == 1
    assert company.target.grants == {}


async def test_a_revocation_reaches_the_target_and_says_that_it_is_not_recorded(company, active):
    """The caller is told both; when the store works again it is recorded, with who asked."""
    with pytest.raises(AuditUnavailableError, match="ended at orders-db, but not on record"):
        await end_grant(company.around, company.omar, active.id)
    assert company.target.grants == {}
    assert company.target.sessions == {}
    company.store.failure = None
    await company.reconciler.run_once()
    ended = await company.stored(active.id)
    assert (ended.state, ended.end_cause) == (GrantState.ENDED, EndCause.REVOKED)
    (entry,) = [row for row in await company.entries() if row["kind"] == "grant.ending"]
    assert entry["actor"] == str(company.omar.id)


async def test_a_revocation_that_fails_at_both_says_so(company, active):
    """Nothing is claimed that did not happen."""
    company.connector.fail_next(RetryLaterError("down"))
    with pytest.raises(AuditUnavailableError, match="neither on record nor at orders-db"):
        await end_grant(company.around, company.omar, active.id)
    assert active.id in company.target.grants
    running = asyncio.create_task(company.reconciler.run())
    await eventually(lambda: company.target.grants == {})
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_may_not_revoke_may_not_here_either(company, active):
    """A broken disk gives nobody rights."""
    with pytest.raises(PolicyDeniedError):
        await end_grant(company.around, company.eve, active.id)
    assert active.id in company.target.grants
