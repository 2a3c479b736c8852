"""Stages: the later one waits for the earlier, and nobody fills two places."""

from hypothesis import given
from hypothesis import strategies as st

from protem.domain.approvals import is_quorate, is_their_turn, review_progress
from protem.domain.decisions import ApprovalRequirement
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId

NAMES = ("a", "b", "c")
REQUESTER = Principal(id=PrincipalId(issuer="local", subject="dana"), display="dana")


def person(name, *groups):
    """A principal of the local issuer."""
    return Principal(
        id=PrincipalId(issuer="local", subject=name),
        display=name,
        groups=frozenset(map(GroupName, groups)),
    )


def need(count, *groups, stage=1):
    """A requirement of a stage."""
    return ApprovalRequirement(count=count, groups=frozenset(map(GroupName, groups)), stage=stage)


TWO_STAGES = [need(1, "a"), need(1, "b", stage=2)]


def test_the_first_stage_is_open_first():
    """Only the first stage's groups are asked, and the rest is announced."""
    progress = review_progress(TWO_STAGES, [], REQUESTER)
    assert (progress.stage, progress.stages) == (1, (1, 2))
    assert progress.missing == (TWO_STAGES[0],)
    assert progress.later == (TWO_STAGES[1],)


def test_a_met_stage_opens_the_next():
    """One yes of the first stage's, and the second is asked."""
    progress = review_progress(TWO_STAGES, [person("x", "a")], REQUESTER)
    assert (progress.stage, progress.missing) == (2, (TWO_STAGES[1],))


def test_the_last_stage_alone_is_not_enough():
    """However many of the second stage say yes."""
    late = [person(name, "b") for name in "xyz"]
    assert not is_quorate(TWO_STAGES, late, REQUESTER)
    assert is_quorate(TWO_STAGES, [*late, person("w", "a")], REQUESTER)


def test_a_yes_for_a_later_stage_must_wait():
    """It is not their turn until the first stage is met."""
    late = person("x", "b")
    assert not is_their_turn(TWO_STAGES, [], REQUESTER, late)
    assert is_their_turn(TWO_STAGES, [person("w", "a")], REQUESTER, late)
    assert is_their_turn(TWO_STAGES, [], REQUESTER, person("y", "a"))


def test_a_yes_that_fits_nowhere_is_taken_and_counts_for_nothing():
    """It is nobody's turn that it would skip."""
    assert is_their_turn(TWO_STAGES, [], REQUESTER, person("x", "elsewhere"))


def test_a_full_group_does_not_let_its_next_member_into_a_later_stage():
    """A second member of a, while the first stage waits for b, may be needed later: they wait."""
    needs = [need(1, "a"), need(1, "b"), need(1, "a", stage=2)]
    assert not is_their_turn(needs, [person("x", "a")], REQUESTER, person("y", "a"))


def test_one_person_cannot_meet_two_stages():
    """Not even the only one who is in both groups."""
    both = person("x", "a", "b")
    assert review_progress(TWO_STAGES, [both], REQUESTER).stage == 2
    assert not is_quorate(TWO_STAGES, [both, both], REQUESTER)


def test_a_named_person_fills_the_place_and_nobody_else():
    """A place for the manager is for the manager, or for who stands in for them."""
    mia = person("mia")
    place = ApprovalRequirement(count=1, people=frozenset({mia.id}))
    other = person("x", "a", "b", "c")
    stand_in = Principal(id=other.id, display="x", speaks_for=frozenset({mia.id}))
    assert is_quorate([place], [mia], REQUESTER)
    assert not is_quorate([place], [other], REQUESTER)
    assert is_quorate([place], [stand_in], REQUESTER)


groups = st.sets(st.sampled_from(NAMES), max_size=2)
needs_of = st.lists(
    st.builds(
        lambda count, names, stage: need(count, *names, stage=stage),
        st.integers(1, 2),
        groups,
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)
crowds = st.lists(groups, max_size=7).map(
    lambda crowd: [person(f"p{number}", *names) for number, names in enumerate(crowd)]
)


def possible(places, people):
    """Say by brute force whether distinct people can fill all places."""
    if not places:
        return True
    first, *rest = places
    return any(
        first.admits(one) and possible(rest, [other for other in people if other is not one])
        for one in people
    )


@given(requirements=needs_of, crowd=crowds)
def test_progress_is_that_of_trying_everything(requirements, crowd):
    """The open stage is the first up to which no assignment of distinct people exists."""
    progress = review_progress(requirements, crowd, REQUESTER)
    stages = sorted({each.stage for each in requirements})
    unmet = [
        stage
        for stage in stages
        if not possible(
            [each for each in requirements if each.stage <= stage for _ in range(each.count)],
            crowd,
        )
    ]
    assert progress.stage == (unmet[0] if unmet else None)
    assert is_quorate(requirements, crowd, REQUESTER) is not bool(unmet)


@given(requirements=needs_of, crowd=crowds)
def test_taking_turns_never_skips_a_stage(requirements, crowd):
    """Of yeses taken only in turn, the open stage never falls back and never jumps over one."""
    taken = []
    stages = sorted({each.stage for each in requirements})
    before = review_progress(requirements, taken, REQUESTER).stage
    for one in crowd:
        if not is_their_turn(requirements, taken, REQUESTER, one):
            later = [each for each in requirements if each.stage > before]
            assert any(each.admits(one) for each in later)
            continue
        taken.append(one)
        after = review_progress(requirements, taken, REQUESTER).stage
        place = stages.index(before) if before is not None else len(stages)
        reached = stages.index(after) if after is not None else len(stages)
        assert place <= reached <= place + 1
        before = after
