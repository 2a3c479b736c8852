"""The sweep: what it ends, keeps and reports, with no store."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.errors import RefusedError, RetryLaterError
from protem.services import sweep_target as sweep_service
from protem.services.sweep_target import sweep_target
from protem.testing.connector_contract import an_order
from tests.contracts.connector_cases import InMemoryCase


@pytest.fixture
async def swept():
    """Return a case with one grant past its deadline, in use, and one that runs."""
    case = InMemoryCase()
    short = await an_order(case, lasting=timedelta(minutes=1))
    long = await an_order(case)
    for order in (short, long):
        await case.connector.provision(order, case.public_half())
    case.connector.target.open_session(short.order.grant_id)
    case.clock.advance(timedelta(minutes=5))
    return case, short.order.grant_id.name_at_target, long.order.grant_id.name_at_target


async def test_ends_what_is_past_and_keeps_the_rest(swept):
    """What is past its deadline goes with its sessions; the rest stays, with the time it has."""
    case, short, long = swept
    report = await sweep_target(case.connector)
    assert report.ended == (short,)
    assert report.kept == ((long, timedelta(minutes=55)),)
    assert not case.connector.target.sessions


async def test_a_dry_run_touches_nothing(swept):
    """A dry run says the same and changes nothing."""
    case, short, _ = swept
    report = await sweep_target(case.connector, dry_run=True)
    assert report.ended == (short,)
    assert len(case.connector.target.grants) == 2


async def test_one_failure_does_not_stop_the_rest(swept):
    """What the target refuses is reported, and the next one is ended all the same."""
    case, short, long = swept
    case.clock.advance(timedelta(hours=2))
    await case.connector.observe()
    original = case.connector.observe

    async def observe():
        observed = await original()
        case.connector.fail_next(RefusedError("not now"))
        return observed

    case.connector.observe = observe
    report = await sweep_target(case.connector)
    assert (report.failed, report.ended) == (((short, "not now"),), (long,))


async def test_a_lost_deadline_is_a_reason_to_end(swept):
    """A privilege whose deadline nobody can read is ended."""
    case, _, _ = swept
    original = case.connector.observe

    async def observe():
        observed = await original()
        lost = tuple(replace(seen, expires_at=None) for seen in observed.privileges)
        return replace(observed, privileges=lost)

    case.connector.observe = observe
    assert len((await sweep_target(case.connector)).ended) == 2
    assert not case.connector.target.grants


async def test_a_privilege_that_cannot_be_told_is_left_to_a_person(swept):
    """Without a grant to name, an undated privilege is reported as failed and not touched."""
    case, _, _ = swept
    original = case.connector.observe

    async def observe():
        observed = await original()
        lost = tuple(replace(seen, expires_at=None, grant_id=None) for seen in observed.privileges)
        return replace(observed, privileges=lost)

    case.connector.observe = observe
    assert len((await sweep_target(case.connector)).failed) == 2
    assert len(case.connector.target.grants) == 2


async def test_strays_are_cut_and_counted(swept):
    """A session whose account vanished is cut."""
    case, _, _ = swept
    case.connector.lose_account(next(iter(case.connector.target.sessions.values())))
    report = await sweep_target(case.connector)
    assert (report.strays, report.ended) == (1, ())
    assert not case.connector.target.sessions


async def test_what_somebody_else_ended_meanwhile_is_no_failure(swept):
    """A control plane was faster: the privilege is gone when it is read back, and that is fine."""
    case, short, _ = swept

    async def end(grant_id):
        case.connector.target.grants.pop(grant_id)
        raise RefusedError("there is no such role")

    case.connector.end = end
    report = await sweep_target(case.connector)
    assert (report.ended, report.failed) == ((short,), ())


async def test_a_fault_of_ours_spares_nobody_else(swept):
    """An exception that no connector should raise is reported by its name alone."""
    case, short, long = swept
    case.clock.advance(timedelta(hours=2))
    original = case.connector.end

    async def end(grant_id):
        if grant_id.name_at_target == short:
            raise ZeroDivisionError("secret")
        await original(grant_id)

    case.connector.end = end
    report = await sweep_target(case.connector)
    assert report.ended == (long,)
    assert report.failed == ((short, "unexpected ZeroDivisionError in the connector"),)


async def test_a_target_that_does_not_answer_is_not_waited_for(swept, monkeypatch):
    """One end that hangs is reported and the others are done; so is a look that hangs."""
    case, short, long = swept
    case.clock.advance(timedelta(hours=2))
    monkeypatch.setattr(sweep_service, "_CALL_SECONDS", 0.05)
    original = case.connector.end

    async def end(grant_id):
        if grant_id.name_at_target == short:
            await asyncio.sleep(60)
        await original(grant_id)

    case.connector.end = end
    report = await sweep_target(case.connector)
    assert report.ended == (long,)
    assert [name for name, _ in report.failed] == [short]
    case.connector.observe = lambda: asyncio.sleep(60)
    with pytest.raises(RetryLaterError, match="did not answer"):
        await sweep_target(case.connector)
