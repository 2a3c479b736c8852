"""Quorum: enough distinct people, in the right groups, none of them the requester."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from protem.domain.approvals import is_quorate
from protem.domain.decisions import ApprovalRequirement
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind

GROUPS = [GroupName(name) for name in ("owners", "security", "oncall")]


def person(name, *groups, acts_for=None):
    """A principal of the local issuer."""
    return Principal(
        id=PrincipalId(issuer="local", subject=name),
        display=name,
        groups=frozenset(GroupName(group) for group in groups),
        kind=PrincipalKind.AGENT if acts_for else PrincipalKind.PERSON,
        acts_for=acts_for and PrincipalId(issuer="local", subject=acts_for),
    )


def needs(count, *groups):
    """A requirement."""
    return ApprovalRequirement(count=count, groups=frozenset(map(GroupName, groups)))


DANA = person("dana")


def test_nobody_counts_for_themselves():
    """The requester's own yes fills no place."""
    assert not is_quorate([needs(1)], [DANA], DANA)


def test_an_agent_of_the_requester_is_the_requester():
    """Approving through one's own robot is approving oneself."""
    assert not is_quorate([needs(1)], [person("robot", acts_for="dana")], DANA)


def test_the_person_behind_a_requesting_agent_is_the_requester():
    """What one's robot asks for is not approved by oneself."""
    assert not is_quorate([needs(1)], [DANA], person("robot", acts_for="dana"))


def test_two_accounts_of_one_person_are_one_person():
    """Two agents of Omar fill one place, not two."""
    robots = [person("robot-1", acts_for="omar"), person("robot-2", acts_for="omar")]
    assert not is_quorate([needs(2)], robots, DANA)


def test_one_person_in_two_groups_fills_one_place():
    """One from owners and one from security takes two people."""
    both = person("omar", "owners", "security")
    requirements = [needs(1, "owners"), needs(1, "security")]
    assert not is_quorate(requirements, [both], DANA)
    assert is_quorate(requirements, [both, person("sam", "owners")], DANA)
    assert is_quorate(requirements, [person("sam", "security"), both], DANA)


def test_no_requirement_is_always_met():
    """Nobody is needed, nobody is missed."""
    assert is_quorate([], [], DANA)


approvers = st.lists(
    st.builds(
        person,
        st.sampled_from(["dana", "omar", "sam", "ida", "kim"]),
        *[st.sampled_from(GROUPS)] * 2,
        acts_for=st.sampled_from([None, None, "dana", "omar"]),
    ),
    max_size=5,
)
requirements = st.lists(
    st.builds(needs, st.integers(1, 2), st.sampled_from(GROUPS)) | st.builds(needs, st.just(1)),
    max_size=2,
)


@given(requirements, approvers)
def test_quorum_equals_trying_every_seating(required, voters):
    """The matching finds a seating exactly when brute force does."""
    people = {voter.person: voter for voter in voters}
    people.pop(DANA.person, None)
    places = [need.groups for need in required for _ in range(need.count)]
    exists = any(
        all(not place or place & who.groups for place, who in zip(places, seated, strict=True))
        for seated in permutations(people.values(), len(places))
    )
    assert is_quorate(required, voters, DANA) == exists
