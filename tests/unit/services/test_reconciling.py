"""Reconciling: what is due is done, failures are retried, ending never gives up."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.decisions import PolicyDeniedError
from protem.domain.errors import ConflictError, RefusedError, RetryLaterError
from protem.domain.grants import EndCause, GrantState
from protem.domain.identifiers import TargetName
from protem.services.end_grant import end_grant
from protem.services.observe_targets import observe_target
from protem.services.reconcile_grants import AT_ONCE
from protem.services.request_access import request_access
from protem.testing.in_memory_connector import InMemoryConnector

from .conftest import ORDERS_DB, PUBLIC_HALF, eventually, settle


@pytest.fixture
async def active(company):
    """An active grant of Dana's with a live session."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    company.target.open_session(asked.grant.id)
    return await company.stored(asked.grant.id)


async def test_an_expired_grant_is_ended_and_closed_only_when_gone(company, active):
    """At E the session is cut, the privilege removed, and then the grant is ended."""
    company.clock.advance(timedelta(minutes=15))
    await company.reconciler.run_once()
    assert company.target.grants == {}
    assert company.target.sessions == {}
    ended = await company.stored(active.id)
    assert (ended.state, ended.end_cause) == (GrantState.ENDED, EndCause.EXPIRED)


async def test_a_microsecond_before_expiry_nothing_is_due(company, active):
    """Time not yet over is the user's."""
    company.clock.advance(timedelta(minutes=15) - timedelta(microseconds=1))
    assert await company.reconciler.run_once() == 0
    assert active.id in company.target.grants


async def test_giving_back_ends_at_once(company, active):
    """The owner ends it; the cause says who."""
    await end_grant(company.around, company.dana, active.id)
    await company.reconciler.run_once()
    assert (await company.stored(active.id)).end_cause is EndCause.GIVEN_BACK


async def test_who_may_can_revoke_and_others_cannot(company, active):
    """An owner of the database revokes; another engineer may not."""
    with pytest.raises(PolicyDeniedError):
        await end_grant(company.around, company.eve, active.id)
    await end_grant(company.around, company.omar, active.id)
    await company.reconciler.run_once()
    assert (await company.stored(active.id)).end_cause is EndCause.REVOKED


async def test_a_grant_at_a_target_that_is_gone_can_be_ended(company, active):
    """What was taken out of the settings is still somebody's privilege: it is never given up.

    Rules that ask for the target's labels cannot permit a revocation then; the others can.
    """
    target = company.around.catalogue.target(ORDERS_DB)
    planner = company.around.catalogue.planner(ORDERS_DB)
    company.around.catalogue.withdraw(ORDERS_DB)
    with pytest.raises(PolicyDeniedError):
        await end_grant(company.around, company.omar, active.id)
    await end_grant(company.around, company.dana, active.id)
    await company.reconciler.run_once()
    waiting = await company.stored(active.id)
    assert (waiting.state, waiting.last_error) == (
        GrantState.ENDING,
        "there is no target orders-db",
    )
    company.around.catalogue.declare(target, company.connector, planner)
    company.clock.advance(company.around.limits.retry_longest)
    await company.reconciler.run_once()
    assert company.target.grants == {}


async def test_a_target_that_hangs_holds_up_no_other(company):
    """With a hundred calls stuck at one target, grants at another begin and end as ever."""
    slow = TargetName("slow-db")
    hanging = InMemoryConnector(company.clock, name=slow)
    hanging.hang_next(10_000)
    here = company.around.catalogue.target(ORDERS_DB)
    planner = company.around.catalogue.planner(ORDERS_DB)
    company.around.catalogue.declare(replace(here, name=slow), hanging, planner)
    for _ in range(100):
        ask = replace(company.ask("orders"), target=slow)
        await request_access(company.around, company.dana, ask, PUBLIC_HALF)
    running = asyncio.create_task(company.reconciler.run())
    await settle()
    assert hanging.calls == ["provision"] * AT_ONCE

    mine = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await eventually(lambda: mine.grant.id in company.target.grants)
    company.clock.advance(timedelta(minutes=15))
    await eventually(lambda: company.target.grants == {})
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_ending_twice_is_harmless(company, active):
    """The second end, during or after the first, changes nothing."""
    first = await end_grant(company.around, company.dana, active.id)
    again = await end_grant(company.around, company.omar, active.id)
    assert again.version == first.version
    await company.reconciler.run_once()
    over = await end_grant(company.around, company.dana, active.id)
    assert over.state is GrantState.ENDED


async def test_what_was_never_activated_is_not_ended(company):
    """A request is cancelled, not ended; the error says so."""
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    with pytest.raises(ConflictError) as caught:
        await end_grant(company.around, company.dana, asked.grant.id)
    assert "cancel" in caught.value.next_step


async def test_ending_is_tried_until_the_target_obeys(company, active):
    """Fifty refusals later the privilege is gone, and on the way the grant was called stuck."""
    company.connector.fail_next(RefusedError("must not drop"), times=50)
    await end_grant(company.around, company.dana, active.id)
    seen = set()
    for _ in range(51):
        await company.reconciler.run_once()
        seen.add((await company.stored(active.id)).state)
        company.clock.advance(company.around.limits.retry_longest)
    assert seen == {GrantState.ENDING, GrantState.STUCK, GrantState.ENDED}
    assert company.target.grants == {}


async def test_a_fault_of_our_own_does_not_stop_ending(company, active):
    """An exception that nobody foresaw is recorded without its text, and ending goes on."""
    company.connector.fail_next(ZeroDivisionError("a secret in a foreign message"))
    await end_grant(company.around, company.dana, active.id)
    await company.reconciler.run_once()
    waiting = await company.stored(active.id)
    assert waiting.last_error == "unexpected ZeroDivisionError in the connector"
    company.clock.advance(company.around.limits.retry_longest)
    await company.reconciler.run_once()
    assert company.target.grants == {}


async def test_every_change_of_a_grant_is_one_entry_in_order(company, active):
    """From asking to ended, the log's sequence of one grant has no gap and no repeat."""
    await end_grant(company.around, company.dana, active.id)
    await company.reconciler.run_once()
    entries = [row for row in await company.entries() if row["grant"] == active.id]
    assert [row["seq"] for row in entries] == list(range(1, len(entries) + 1))
    assert entries[-1]["kind"] == "grant.ended"


async def test_a_stuck_grant_says_why(company, active):
    """The last error and the number of tries are kept for the person who looks."""
    company.connector.fail_next(RefusedError("role owns a cluster"), times=5)
    await end_grant(company.around, company.dana, active.id)
    for _ in range(4):
        await company.reconciler.run_once()
        company.clock.advance(company.around.limits.retry_longest)
    stuck = await company.stored(active.id)
    assert stuck.state is GrantState.STUCK
    assert stuck.last_error == "role owns a cluster"
    assert stuck.attempts == 4


async def test_a_target_that_is_away_is_asked_again(company):
    """Provisioning waits for the target, and says what it waits for."""
    company.connector.fail_next(RetryLaterError("down", delay=timedelta(seconds=2)))
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    waiting = await company.stored(asked.grant.id)
    assert waiting.state is GrantState.PROVISIONING
    assert waiting.last_error == "down"
    company.clock.advance(timedelta(seconds=2))
    await company.reconciler.run_once()
    assert (await company.stored(asked.grant.id)).state is GrantState.ACTIVE


async def test_a_retry_never_hides_the_expiry(company):
    """A target that asks for an hour's patience does not get a grant of fifteen minutes kept."""
    company.connector.fail_next(RetryLaterError("down", delay=timedelta(hours=1)))
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    company.clock.advance(timedelta(minutes=15))
    await company.reconciler.run_once()
    ended = await company.stored(asked.grant.id)
    assert (ended.state, ended.end_cause) == (GrantState.ENDED, EndCause.EXPIRED)


async def test_a_target_that_refuses_ends_the_grant(company):
    """What cannot be provisioned is ended, whatever may be left of the try."""
    company.connector.fail_next(RefusedError("no such table"))
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    ended = await company.stored(asked.grant.id)
    assert (ended.state, ended.end_cause) == (GrantState.ENDED, EndCause.PROVISION_FAILED)
    assert company.connector.calls == ["provision", "end"]


async def test_an_answer_lost_after_the_work_is_not_work_lost(company):
    """Provisioned but unanswered: tried again, and it is still one grant."""
    company.connector.interrupt_next_provision()
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    company.clock.advance(timedelta(seconds=1))
    await company.reconciler.run_once()
    assert (await company.stored(asked.grant.id)).state is GrantState.ACTIVE
    assert list(company.target.grants) == [asked.grant.id]


async def test_a_revocation_during_provisioning_wins(company):
    """Revoked while the target is busy: what was made is unmade in the same pass."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    company.connector.hang_next()
    working = asyncio.create_task(company.reconciler.run_once())
    await settle()
    await end_grant(company.around, company.dana, asked.grant.id)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    company.clock.advance(company.around.limits.lease)
    await company.reconciler.run_once()
    assert company.target.grants == {}
    assert (await company.stored(asked.grant.id)).state is GrantState.ENDED


async def test_a_worker_that_died_is_replaced_when_its_lease_runs_out(company):
    """Handed over, then killed before starting: another worker finishes it."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    company.reconciler._handed.get_nowait()
    assert await company.reconciler.run_once() == 0
    company.clock.advance(company.around.limits.lease)
    assert await company.reconciler.run_once() == 1
    assert (await company.stored(asked.grant.id)).state is GrantState.ACTIVE


async def test_the_running_reconciler_works_on_news(company):
    """Without anyone calling it, a request becomes a privilege and its end an absence."""
    running = asyncio.create_task(company.reconciler.run())
    try:
        asked = await request_access(
            company.around, company.dana, company.ask("orders"), PUBLIC_HALF
        )
        with company.around.announcer.watch(asked.grant.id) as watch:
            while (await company.stored(asked.grant.id)).state is not GrantState.ACTIVE:
                assert await watch.changed(timedelta(seconds=2))
            await end_grant(company.around, company.dana, asked.grant.id)
            while (await company.stored(asked.grant.id)).state is not GrantState.ENDED:
                assert await watch.changed(timedelta(seconds=2))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert company.target.grants == {}


class TestObserving:
    """The look at a target closes the loop."""

    async def test_an_orphan_is_ended_and_on_record(self, company, active):
        """A marked privilege that no grant explains is removed, and the log says so."""
        await end_grant(company.around, company.dana, active.id)
        held = company.target.grants[active.id]
        await company.reconciler.run_once()
        company.target.grants[active.id] = held  # as if restored from a backup
        seen = await observe_target(company.around, ORDERS_DB, statement=False)
        assert seen.orphans == (active.id.name_at_target,)
        assert company.target.grants == {}
        assert "orphan.ended" in [entry["kind"] for entry in await company.entries()]

    async def test_an_explained_privilege_is_left_alone(self, company, active):
        """A grant's own privilege and session survive the look."""
        seen = await observe_target(company.around, ORDERS_DB, statement=True)
        assert seen.orphans == ()
        assert active.id in company.target.grants
        assert len(company.target.sessions) == 1
        (statement,) = [
            entry for entry in await company.entries() if entry["kind"] == "target.observed"
        ]
        assert statement["data"]["privileges"] == [active.id.name_at_target]
        assert statement["data"]["orphans"] == 0

    async def test_what_an_operator_removed_is_not_made_again(self, company, active):
        """Dropped by hand at the target: the grant is closed."""
        company.clock.advance(timedelta(seconds=1))
        del company.target.grants[active.id]
        await observe_target(company.around, ORDERS_DB, statement=False)
        await company.reconciler.run_once()
        ended = await company.stored(active.id)
        assert (ended.state, ended.end_cause) == (GrantState.ENDED, EndCause.REMOVED_AT_TARGET)
        assert company.target.grants == {}

    async def test_strays_are_cut(self, company, active):
        """A session whose account is gone does not survive the look."""
        company.connector.lose_account(active.id)
        seen = await observe_target(company.around, ORDERS_DB, statement=False)
        assert seen.strays == 1
        assert company.target.sessions == {}

    async def test_an_orphan_that_cannot_be_ended_is_told_not_claimed(self, company, active):
        """The log never says ended of what is still there."""
        await end_grant(company.around, company.dana, active.id)
        held = company.target.grants[active.id]
        await company.reconciler.run_once()
        company.target.grants[active.id] = held
        observe = company.connector.observe

        async def then_fail():
            seen = await observe()
            company.connector.fail_next(RefusedError("no"))
            return seen

        company.connector.observe = then_fail
        seen = await observe_target(company.around, ORDERS_DB, statement=False)
        assert seen.failed == ((active.id.name_at_target, "no"),)
        assert "orphan.ended" not in [entry["kind"] for entry in await company.entries()]
