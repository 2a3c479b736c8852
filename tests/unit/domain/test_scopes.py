"""Scopes are canonical and ordered by what they let one do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.errors import InvalidError
from protem.domain.scopes import MAX_PRIVILEGES, Privilege, Scope

names = st.sampled_from(["orders", "customers", 'o"d\nd', "\u202ex"])
privileges = st.builds(
    Privilege,
    kind=st.sampled_from(["table", "sequence"]),
    path=st.tuples(names, names),
    action=st.sampled_from(["SELECT", "UPDATE"]),
    part=st.none() | names,
)
scopes = st.lists(privileges, max_size=12).map(Scope)


def table(action, part=None, name="orders"):
    """A privilege on shop.<name>."""
    return Privilege(kind="table", path=("shop", name), action=action, part=part)


def test_a_part_disappears_beside_its_whole():
    """Holding the whole table makes a column of it redundant."""
    assert Scope([table("SELECT", "id"), table("SELECT")]) == Scope([table("SELECT")])


def test_a_whole_of_one_action_covers_no_other_action():
    """SELECT on a table does not cover UPDATE of a column."""
    assert not Scope([table("UPDATE", "id")]) <= Scope([table("SELECT")])


def test_a_column_is_narrower_than_its_table():
    """A column's scope is below its table's, and not the other way round."""
    column, whole = Scope([table("SELECT", "id")]), Scope([table("SELECT")])
    assert column <= whole
    assert not whole <= column


@given(scopes)
def test_the_json_form_reads_back_equal(scope):
    """Nothing is lost between a scope and its canonical form."""
    assert Scope.from_json(scope.to_json()) == scope
    assert Scope.from_json(scope.to_json()).digest == scope.digest


@given(scopes, scopes, scopes)
def test_the_order_is_a_partial_order_with_unions_above(a, b, c):
    """Reflexive, transitive, antisymmetric, and a union is above both."""
    assert a <= a  # noqa: PLR0124  # reflexivity
    assert a <= (a | b)
    assert b <= (a | b)
    if a <= b <= c:
        assert a <= c
    if a <= b <= a:
        assert a == b


@pytest.mark.parametrize(
    "form",
    [
        None,
        "table",
        [1],
        [{}],
        [{"kind": "table", "path": "shop", "action": "SELECT"}],
        [{"kind": "table", "path": ["shop", 1], "action": "SELECT"}],
        [{"kind": "table", "path": ["shop"], "action": "SELECT", "parts": []}],
        [{"kind": "table", "path": ["shop"], "action": "SELECT", "parts": [1]}],
        [{"kind": "table", "path": ["shop"], "action": "SELECT", "with_grant_option": True}],
    ],
)
def test_a_malformed_scope_is_refused(form):
    """What is not exactly the canonical shape never becomes a scope."""
    with pytest.raises(InvalidError):
        Scope.from_json(form)


def test_a_scope_too_large_to_read_is_refused():
    """Ten thousand privileges are the most that anyone is asked to approve."""
    with pytest.raises(InvalidError):
        Scope(table("SELECT", str(n)) for n in range(MAX_PRIVILEGES + 1))
