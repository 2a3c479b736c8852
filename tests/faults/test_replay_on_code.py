"""The code and the model are one protocol: each step of a trace does the same to both."""

from collections import Counter
from datetime import timedelta

import pytest
from tests.faults import grant_promises
from tests.faults.chance import how_many, seeded
from tests.faults.explore import explore, follow, wander
from tests.faults.gated_planes import DivergedError
from tests.faults.grant_protocol import GrantProtocol
from tests.faults.protocol_state import Rules
from tests.faults.replay_on_code import replay
from tests.faults.stepped_world import TICK
from tests.faults.test_grant_protocol import FOUND_AT_ONCE, STALE_RENEWAL

from protem.domain.grants import GrantState
from protem.domain.orders import MOST_CLOCK_SKEW
from protem.services import attempts, reconcile_grants
from protem.services.surroundings import Limits

TRACES = how_many("PROTEM_SOAK_TRACES", 400)
EXPLORED = Rules()
CONFIGURED = Rules(
    lease=Limits().lease // TICK,
    call=attempts.CALL_TIMEOUT // TICK,
    margin=MOST_CLOCK_SKEW // TICK,
    term=8,
    extension=3,
)
"""The lengths that the code has when nobody sets any; the model is explored with shorter ones."""
RARELY = {"tick": 5, "crash": 2, "late end": 2, "target puts off": 3, "target refuses": 2}
RARELY |= {"revoke": 2, "give up": 5, "end unrecorded": 3, "look": 5, "extend": 60}
EVERY_STEP = {
    *("activate", "extend", "revoke", "log in", "claim", "resume", "begin", "record", "crash"),
    *("target provisions", "target puts off", "target refuses", "target ends", "give up", "tick"),
    *("late provision", "late end", "end unrecorded", "sweep", "look", "judge"),
}


@pytest.fixture
def explored_lengths(monkeypatch):
    """The code with the lengths of the search; those that are settings, the replay sets itself."""
    for module in (attempts, reconcile_grants):
        monkeypatch.setattr(module, "CALL_TIMEOUT", EXPLORED.call * TICK)
    assert EXPLORED.margin * TICK == MOST_CLOCK_SKEW


async def take_random_traces(rules, what):
    """Replay many; return how often each step was taken, and how many grants ended."""
    protocol, chance = GrantProtocol(rules), seeded(what)
    taken, ended = Counter(), 0
    for _ in range(TRACES // 2):
        trace = wander(protocol, chance, RARELY, steps=100)
        await replay(rules, trace)
        taken.update(step.name for step, _ in trace[1:])
        ended += trace[-1][1].row.state == "ended"
    print(f"{TRACES // 2} traces, {taken.total()} steps, {ended} grants ended: {dict(taken)}")
    return taken, ended


@pytest.mark.usefixtures("explored_lengths")
async def test_the_code_takes_random_traces_of_the_explored_states():
    """After every step, store, target, network and tasks are as the model says."""
    taken, ended = await take_random_traces(EXPLORED, "traces as explored")
    assert ended > TRACES // 10
    assert taken.keys() >= EVERY_STEP


async def test_the_code_takes_random_traces_at_its_own_lengths():
    """The same with the leases and limits that the code has when nobody sets any."""
    assert timedelta(0) == Limits().lease % TICK == attempts.CALL_TIMEOUT % TICK
    _, ended = await take_random_traces(CONFIGURED, "traces at full length")
    assert ended > TRACES // 20


@pytest.mark.usefixtures("explored_lengths")
@pytest.mark.parametrize("bug", FOUND_AT_ONCE)
async def test_the_code_does_not_follow_a_planted_bug(bug):
    """Where the model with the bug goes on to break a promise, the code does something else."""
    rules = Rules(**{bug: True})
    wrong = explore(GrantProtocol(rules), grant_promises)
    with pytest.raises(DivergedError) as diverged:
        await replay(rules, wrong.trace)
    print(diverged.value)


@pytest.mark.usefixtures("explored_lengths")
async def test_what_is_assumed_of_the_network_the_code_assumes_too():
    """The code goes all the way where a network repeats an answered call: nothing hides that."""
    rules = Rules(network_repeats_answered_calls=True)
    wrong = explore(GrantProtocol(rules), grant_promises)
    world = await replay(rules, wrong.trace)
    assert world.grant.state is GrantState.ENDED
    assert world.connector.target.grants


@pytest.mark.usefixtures("explored_lengths")
async def test_the_code_renews_no_lease_for_a_grant_that_changed():
    """A task that comes late, under a lease taken for another, does not send what was revoked."""
    rules = Rules(renew_ignores_version=True)
    protocol = GrantProtocol(rules)
    trace = follow(protocol, protocol.initial()[0], STALE_RENEWAL)
    with pytest.raises(DivergedError, match="target provisions"):
        await replay(rules, trace)


@pytest.mark.usefixtures("explored_lengths")
async def test_an_observer_that_is_overtaken_ends_what_is_gone():
    """Seen while it was ending, judged when it had ended: rare by chance, so taken on purpose."""
    protocol = GrantProtocol(EXPLORED)
    names = ["activate", "begin", "target provisions", "record", "revoke", "look"]
    steps = [(name, -1 if name == "look" else 0) for name in names]
    steps += [("begin", 0), ("target ends", 0), ("record", 0), ("end orphan", -1)]
    world = await replay(EXPLORED, follow(protocol, protocol.initial()[0], steps))
    assert world.grant.state is GrantState.ENDED
