"""No interleaving of the grant protocol breaks a promise, and the search finds those that would."""

from dataclasses import fields

import pytest
from tests.faults import grant_promises
from tests.faults.explore import explore, follow
from tests.faults.grant_promises import (
    ACTIVE_IS_THERE,
    AFTER_ENDED,
    CAN_END,
    ONE_RECORDS,
    REVOCATION_STANDS,
)
from tests.faults.grant_protocol import GrantProtocol
from tests.faults.protocol_state import Rules

FOUND_AT_ONCE = {
    "target_ignores_deadline": AFTER_ENDED,
    "target_deadline_off_by_one": AFTER_ENDED,
    "order_lasts_as_long_as_lease": AFTER_ENDED,
    "claim_ignores_lease": AFTER_ENDED,
    "record_ignores_lease": ONE_RECORDS,
    "record_ignores_version": REVOCATION_STANDS,
    "conflict_forgets_unsettled": AFTER_ENDED,
    "ended_without_settling": AFTER_ENDED,
    "settling_judged_after_the_call": AFTER_ENDED,
    "end_works_beside_own_task": AFTER_ENDED,
    "restart_resends": AFTER_ENDED,
    "restart_drops_leases": AFTER_ENDED,
    "observer_reads_grants_first": ACTIVE_IS_THERE,
}
STALE_RENEWAL = [
    *[("activate", 0), ("begin", 0), ("target provisions", 0), ("record", 0), ("extend", 0)],
    *[("claim", 0), ("tick", -1), ("tick", -1), ("revoke", 1), ("begin", 1), ("target ends", 1)],
    *[("tick", -1), ("tick", -1), ("claim", 0), ("begin", 0), ("target provisions", 0)],
    *[("tick", -1), ("tick", -1), ("claim", 1), ("record", 1)],
]
"""Twenty steps: the shortest way on which ``renew_ignores_version`` does harm. Two tasks, one of
each control plane, outlast their leases and go on under leases taken for others. The search needs
800,000 states to come upon it, so that it is kept here."""


def show(explored):
    """Print what a search did."""
    print(
        f"\n{explored.states:,} states, {explored.steps:,} steps, {explored.depth} deep, "
        f"{explored.seconds:.1f} s of processor time: {explored.broken or 'nothing is broken'}"
    )
    for step, state in explored.trace:
        print(f"  {step.name if step else 'at first':18}{state}")


def test_a_million_states_and_every_promise_holds():
    """All states of a grant between two control planes are visited; each can come to its end."""
    explored = explore(GrantProtocol(Rules()), grant_promises)
    show(explored)
    assert explored.broken == ""
    assert explored.states >= 1_000_000


@pytest.mark.parametrize(("bug", "promise"), FOUND_AT_ONCE.items())
def test_a_planted_bug_breaks_the_promise_that_it_should(bug, promise):
    """The search is not blind: each rule of the protocol is needed, and a trace shows for what."""
    explored = explore(GrantProtocol(Rules(**{bug: True})), grant_promises)
    show(explored)
    assert explored.broken == promise


def test_a_renewal_for_what_is_not_current_would_break_a_promise():
    """A copy of a grant that was revoked meanwhile must not be signed for and sent anew."""
    buggy = GrantProtocol(Rules(renew_ignores_version=True))
    *_, (_, last) = follow(buggy, buggy.initial()[0], STALE_RENEWAL)
    assert grant_promises.broken(last) == AFTER_ENDED
    sound = GrantProtocol(Rules())
    with pytest.raises(LookupError, match="target provisions"):
        follow(sound, sound.initial()[0], STALE_RENEWAL)


def test_a_grant_that_nobody_comes_back_to_is_found():
    """A state that keeps every promise, and from which nothing leads on, is an error too."""
    rules = Rules(term=1, skews=(0,), failed_end_is_forgotten=True)
    explored = explore(GrantProtocol(rules), grant_promises)
    show(explored)
    assert explored.broken == CAN_END


def test_what_is_assumed_of_the_network_is_needed():
    """A network that delivers an answered call once more is beyond the protocol: TCP is not one."""
    explored = explore(GrantProtocol(Rules(network_repeats_answered_calls=True)), grant_promises)
    show(explored)
    assert explored.broken == AFTER_ENDED


def test_every_planted_bug_has_its_test():
    """No switch of the model is left untried."""
    switches = {one.name for one in fields(Rules) if one.type == "bool"}
    tried_alone = {"renew_ignores_version", "failed_end_is_forgotten"}
    assert switches == FOUND_AT_ONCE.keys() | tried_alone | {"network_repeats_answered_calls"}


def test_control_planes_that_differ_in_name_alone_are_one_state():
    """Leaving twins out loses nothing: what is kept is the whole search, each by one name."""
    rules = Rules(term=1, extension=0, skews=(0,))
    halved, whole = GrantProtocol(rules), GrantProtocol(rules)
    whole.canonical = lambda state: state
    assert reached(halved) == {halved.canonical(state) for state in reached(whole)}


def reached(protocol):
    """Every state, without the search's help."""
    found = set(protocol.initial())
    new = list(found)
    while new:
        ways = {protocol.canonical(after) for one in new for _, after in protocol.successors(one)}
        new = list(ways - found)
        found |= ways
    return found
