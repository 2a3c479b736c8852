"""The sweep: what it ends, keeps and reports, with no store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.errors import RefusedError
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
