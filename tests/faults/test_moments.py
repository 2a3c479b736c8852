"""The moments at which expiry code breaks: no time, one second, just before, at, and just after."""

import asyncio
from datetime import timedelta

import pytest
from tests.faults.crash_scenarios import activate, approve, ask_for_review, extend, revoke
from tests.faults.two_planes import A, Plane, World, ask_for

from protem.domain.errors import ConflictError, ExpiredError, InvalidError
from protem.domain.grants import GrantState
from protem.services.reconcile_grants import SAFETY_POLL
from protem.testing.virtual_loop import run, running_loop

SOON = SAFETY_POLL.total_seconds() + 1
"""One look at what is due, and the work."""


def alone(main):
    """Play something with one plane and its world."""

    async def with_a_plane():
        world = World(running_loop(), 0)
        plane = Plane(world, A)
        await plane.boot()
        await main(world, plane)
        await plane.die()

    run(with_a_plane())


async def stored(world):
    """The newest grant."""
    return await world.store.read(lambda view: view.grants.get(world.told[-1]))


async def until(world, moment):
    """Sleep, and be awake for the last seconds, until the truth shows ``moment``."""
    world.loop.suspend(max(moment - world.clock.now() - timedelta(seconds=3), timedelta(0)))
    await asyncio.sleep((moment - world.clock.now()).total_seconds())


@pytest.mark.parametrize("seconds", [0, -1, 0.001])
def test_a_grant_of_no_time_is_refused(seconds):
    """Not made and ended at once, and never made for ever: refused."""

    async def main(world, plane):
        assert isinstance(await plane.act(ask_for(seconds=seconds)), InvalidError)
        await asyncio.sleep(5)
        assert world.told == []
        assert "provision" not in world.connector.calls

    alone(main)


def test_a_grant_of_one_second_comes_and_goes():
    """It is usable within its second and gone a look later."""

    async def main(world, plane):
        await plane.act(ask_for(seconds=1))
        await asyncio.sleep(0.5)
        world.target.open_session(world.told[-1])
        await asyncio.sleep(0.5 + SOON)
        assert world.target.sessions == {}
        assert (await stored(world)).state is GrantState.ENDED

    alone(main)


@pytest.mark.parametrize("milliseconds", [-1, 0, 1])
def test_an_extension_about_the_moment_of_expiry_makes_nothing_eternal(milliseconds):
    """A millisecond before, it is taken; at the moment and after, refused; it ends either way."""

    async def main(world, plane):
        await plane.act(ask_for(seconds=20))
        await asyncio.sleep(1)
        expires_at = (await stored(world)).expires_at
        await until(world, expires_at + timedelta(milliseconds=milliseconds))
        answer = await plane.act(extend)
        if milliseconds < 0:
            assert answer is None
            assert (await stored(world)).expires_at == expires_at + timedelta(minutes=5)
            await asyncio.sleep(300)
        else:
            assert isinstance(answer, ExpiredError | ConflictError)
            assert (await stored(world)).expires_at == expires_at
        await asyncio.sleep(SOON)
        assert world.target.grants == {}
        assert (await stored(world)).state is GrantState.ENDED

    alone(main)


@pytest.mark.parametrize("milliseconds", [-1, 0, 1])
@pytest.mark.parametrize("step", [approve, activate])
def test_a_request_used_about_the_moment_at_which_it_lapses(milliseconds, step):
    """Approved or activated a millisecond before, it holds; at the moment and after, it is over."""

    async def main(world, plane):
        await plane.act(ask_for_review)
        if step is activate:
            assert await plane.act(approve) is None
        lapses_at = (await stored(world)).lapses_at
        await until(world, lapses_at + timedelta(milliseconds=milliseconds))
        answer = await plane.act(step)
        await asyncio.sleep(SOON)
        state = (await stored(world)).state
        if milliseconds < 0:
            assert answer is None
            assert state is (GrantState.APPROVED if step is approve else GrantState.ACTIVE)
        else:
            assert isinstance(answer, ExpiredError | ConflictError)
            assert state is GrantState.LAPSED

    alone(main)


@pytest.mark.parametrize("step", range(20))
def test_a_revocation_during_provisioning_wins(step):
    """Wherever it falls among the steps of provisioning, nothing is left."""

    async def main(world, plane):
        await plane.act(ask_for(minutes=15))
        await asyncio.sleep(step * 0.0015)
        assert await plane.act(revoke) is None
        await asyncio.sleep(SOON)
        assert world.target.grants == {}
        assert (await stored(world)).state is GrantState.ENDED

    alone(main)
