"""What is played while processes die, and what must hold afterwards.

Here: scenarios as lists of steps, and the questions put to store and target once all is quiet. Not
here: the world they are played in (crash_world), where to die (the tests choose).

A user whose server died tries the same step again with the next server, as people do; what the
second try answers is none of this harness's business, what is true afterwards is.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from tests.faults.crash_world import (
    ALONE,
    COMMAND,
    DANA,
    HALF,
    LENGTH,
    NAME,
    OMAR,
    REVIEWED,
    ROUNDS,
    SCOPE,
    SETTLED,
    World,
)

from protem.domain.approvals import Verdict
from protem.domain.errors import (
    IndeterminateError,
    NotFoundError,
    ProtemError,
    RetryLaterError,
)
from protem.domain.grants import TERMINAL, GrantState
from protem.services.activate_grant import activate_grant
from protem.services.cancel_request import cancel_request
from protem.services.end_grant import end_grant
from protem.services.extend_grant import extend_grant
from protem.services.plan_command import Ask
from protem.services.request_access import request_access
from protem.services.review_request import Review, review_request
from protem.services.take_over_work import take_over_work
from protem.testing.crash_points import (
    Crash,
)
from protem.testing.in_memory_connector import HeldGrant


def newest(world):
    """The grant that was asked for last."""
    if not world.told:
        raise NotFoundError("nothing was asked for that anybody knows of")
    return world.told[-1]


async def ask(world, reason=ALONE, half=HALF):
    """Dana asks; nobody else need agree."""
    asking = Ask(target=NAME, command=COMMAND, duration=LENGTH, reason=reason, ticket="INC-1")
    asked = await request_access(world.server.around, DANA, asking, half)
    world.told.append(asked.grant.id)


async def ask_for_review(world):
    """Dana asks for something that Omar must agree to."""
    await ask(world, REVIEWED, None)


def _verdict(verdict):
    async def review(world):
        """Omar says it of the newest request."""
        around = world.server.around
        revision = await world.store.read(lambda tx: _newest_revision(tx, newest(world)))
        said = Review(grant_id=newest(world), digest=revision.digest, verdict=verdict)
        await review_request(around, OMAR, said)

    return review


def _newest_revision(view, grant_id):
    return view.requests.get(grant_id, view.requests.latest_number(grant_id))


async def activate(world):
    """Dana begins."""
    await activate_grant(world.server.around, DANA, newest(world), HALF)


async def cancel(world):
    """Dana withdraws."""
    await cancel_request(world.server.around, DANA, newest(world))


async def extend(world):
    """Dana asks for five more minutes, and gets them."""
    await extend_grant(world.server.around, DANA, newest(world), timedelta(minutes=5))


async def give_back(world):
    """Dana is done."""
    await end_grant(world.server.around, DANA, newest(world))
    world.told_ended.add(newest(world))


async def revoke(world):
    """Omar ends it."""
    await end_grant(world.server.around, OMAR, newest(world))
    world.told_ended.add(newest(world))


async def work(world):
    """The server does what is due."""
    await world.server.work()


async def start(world):
    """What a server does that was just started."""
    await take_over_work(world.server.around)
    await world.server.work()


async def log_in(world):
    """Dana opens a session, if the target lets her."""
    world.target.open_session(newest(world))


async def lose_account(world):
    """Somebody drops the role by hand; its sessions stay."""
    world.target.grants.pop(newest(world), None)


async def plant_orphan(world):
    """A marked privilege appears that no grant explains."""
    stranger = world.randomness.grant_id(world.clock.now())
    world.target.grants[stranger] = HeldGrant(
        grant_id=stranger,
        target=NAME,
        scope=SCOPE,
        expires_at=world.clock.now() + LENGTH,
        public_half=HALF,
    )


def wait(**length):
    """Time passes."""

    async def pass_time(world):
        world.clock.advance(timedelta(**length))

    return pass_time


def fails(error, times):
    """The target answers so, so often."""

    async def break_target(world):
        world.connector.fail_next(error, times)

    return break_target


def meanwhile(step):
    """``step`` happens while the next call to provision is under way."""

    async def arrange(world):
        async def act():
            with suppress(ProtemError):
                await step(world)

        world.server.life.meanwhile.append(act)

    return arrange


async def loses_call(world):
    """The next call to provision does not arrive, or not yet."""
    world.server.life.loses = 1


async def loses_answer(world):
    """The target provisions and its answer is lost."""
    world.connector.interrupt_next_provision()


approve, deny = _verdict(Verdict.APPROVE), _verdict(Verdict.DENY)
DOWN, UNKNOWN = RetryLaterError("down"), IndeterminateError("who knows")
SCENARIOS = {
    "given back": [ask, work, log_in, give_back, work],
    "reviewed and used": [ask_for_review, approve, activate, work, log_in, give_back, work],
    "expired": [ask, work, log_in, wait(minutes=15), work],
    "revoked while on its way": [ask, revoke, work],
    "revoked at a target that is away": [
        *(ask, work, log_in, fails(DOWN, 4), revoke, work),
        *(wait(seconds=1), work, wait(seconds=2), work, wait(seconds=30), work),
    ],
    "extended and expired": [ask, work, log_in, extend, work, wait(minutes=16), work, extend],
    "extended by review": [
        *(ask_for_review, approve, activate, work, wait(minutes=1), extend, approve, work),
        *(wait(minutes=20), work),
    ],
    "provisioned at the second try": [ask, fails(DOWN, 1), work, wait(seconds=1), work, log_in],
    "lost on the way": [ask, loses_call, work, give_back, work, wait(seconds=1), work],
    "lost on the way, then not": [ask, loses_call, work, wait(seconds=1), work, revoke, work],
    "revoked during the call": [ask, meanwhile(revoke), work, work],
    "revoked during a call that is lost": [ask, meanwhile(revoke), loses_call, work, work],
    "extended during the extension": [
        *(ask, work, log_in, extend, meanwhile(extend), work, wait(minutes=26), work),
    ],
    "provisioned or not": [ask, fails(UNKNOWN, 2), work, wait(seconds=1), give_back, work],
    "answer lost": [ask, loses_answer, work, wait(seconds=1), work, log_in, revoke, work],
    "denied": [ask_for_review, deny, work],
    "cancelled": [ask_for_review, approve, cancel, work],
    "lapsed": [ask_for_review, wait(hours=9), work],
    "dropped by hand": [ask, work, log_in, wait(seconds=1), lose_account, work],
    "an orphan": [ask, work, plant_orphan, work, give_back, work],
    "two at once": [ask, work, ask, work, log_in, give_back, wait(minutes=15), work],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaths:
    """Where processes die, and when what they had sent arrives.

    Attributes:
        at: for each life in turn the point it ends at; later lives do not end.
        delivery: how often the world has settled when calls of dead processes arrive; None: never.
    """

    at: tuple[int, ...] = ()
    delivery: int | None = None


async def play(steps, deaths):
    """Play ``steps`` while processes die; return the world when all is quiet and checked."""
    world, lives = World(), list(deaths.at)
    world.boot(lives.pop(0) if lives else None)
    left = list(steps)
    while left:
        try:
            await left[0](world)
        except ProtemError:
            pass  # the user is told no, and goes on
        except Crash:
            _die(world, lives)
            left.insert(0, start)
            continue
        left.pop(0)
    world.played = len(world.server.life.points)
    for settled in range(ROUNDS):
        if deaths.delivery == settled:
            await world.deliver()
        world.clock.advance(SETTLED)
        await _work_or_die(world, lives)
    await check_quiet(world)
    world.clock.advance(timedelta(hours=10))
    for _ in range(ROUNDS):
        await _work_or_die(world, lives)
        world.clock.advance(SETTLED)
    await check_nothing_is_left(world)
    return world


async def _work_or_die(world, lives):
    step = work
    while True:
        try:
            return await step(world)
        except Crash:
            _die(world, lives)
            step = start


async def check_nothing_is_left(world):
    """After every expiry there is nothing at the target, and every grant is over."""
    assert world.target.grants == {}
    assert world.target.sessions == {}
    for grant in await world.store.read(lambda tx: tx.grants.list(limit=100)):
        assert grant.state in TERMINAL, grant


def _die(world, lives):
    world.in_flight += world.server.life.sent
    world.boot(lives.pop(0) if lives else None)


async def check_quiet(world):
    """Ask the target what exists, and the store what should; raise for any difference."""
    now = world.clock.now()
    stored = {grant.id: grant for grant in await world.store.read(lambda tx: tx.grants.list())}
    active = {grant.id for grant in stored.values() if grant.state is GrantState.ACTIVE}
    assert set(world.target.grants) == active, "an orphan, or a grant that is not there"
    for held in world.target.grants.values():
        assert held.expires_at == stored[held.grant_id].expires_at
        assert held.expires_at > now, "a late use"
    assert set(world.target.sessions.values()) <= active, "a session outlived its grant"
    assert set(world.told) <= set(stored), "something acknowledged is lost"
    for ended in world.told_ended:
        assert stored[ended].state is GrantState.ENDED, "a lost revocation"
    entries = await world.store.read(lambda tx: tx.audit.entries(start=0, limit=10_000))
    sequences = dict.fromkeys(stored, 0)
    for entry in map(json.loads, (entry.body for entry in entries)):
        if entry["grant"] is not None:
            sequences[entry["grant"]] += 1
            assert entry["seq"] == sequences[entry["grant"]]
    assert sequences == {grant.id: grant.version for grant in stored.values()}
