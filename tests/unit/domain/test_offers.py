"""What a reviewer offers is never wider than what was asked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain import canonical_json
from protem.domain.commands import Command
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.offers import Narrowing, is_narrower, narrowed
from protem.domain.plans import Plan, Trait
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege, Scope
from protem.entrypoints.cli.offers import offered_request

privileges = st.builds(
    Privilege,
    kind=st.just("table"),
    path=st.sampled_from([("shop", "orders"), ("shop", "customers")]),
    action=st.sampled_from(["SELECT", "UPDATE"]),
    part=st.sampled_from([None, "id", "status"]),
)
scopes = st.lists(privileges, max_size=6).map(Scope)


def asked_for(scope, minutes=15):
    """A request for ``scope``."""
    return RequestRevision(
        grant_id=GrantId("0" * 26),
        number=1,
        principal=PrincipalId(issuer="local", subject="dana"),
        target=TargetName("orders-db"),
        command=Command(argv=("psql", "-c", "select 1")),
        plan=Plan(scope=scope, traits=frozenset({Trait.WRITES})),
        duration=timedelta(minutes=minutes),
        reason="INC-1",
    )


ORDERS = Privilege(kind="table", path=("shop", "orders"), action="SELECT")
BOTH = Scope([ORDERS, replace(ORDERS, action="UPDATE")])


@given(
    scope=scopes.filter(bool),
    without=scopes,
    minutes=st.integers(1, 60),
    offered=st.one_of(st.none(), st.integers(1, 90)),
)
def test_an_offer_is_never_wider(scope, without, minutes, offered):
    """Whatever is taken away, what is left is within what was asked, and all else is the same."""
    asked = asked_for(scope, minutes)
    by = Narrowing(duration=offered and timedelta(minutes=offered), without=without)
    try:
        offer = narrowed(asked, by, number=2)
    except InvalidError:
        return
    assert offer.plan.scope <= asked.plan.scope
    assert offer.duration <= asked.duration
    assert is_narrower(offer, asked)
    assert offer.digest != asked.digest
    assert replace(offer, number=1, plan=asked.plan, duration=asked.duration) == asked
    for gone in without:
        assert not offer.plan.scope.covers(gone)


@given(scope=scopes.filter(bool), other=scopes.filter(bool), minutes=st.integers(1, 60))
def test_what_is_wider_in_anything_is_no_offer(scope, other, minutes):
    """A revision is narrower exactly when scope and time are within, and all else is kept."""
    asked = asked_for(scope)
    forged = replace(
        asked,
        number=2,
        plan=replace(asked.plan, scope=other),
        duration=timedelta(minutes=minutes),
    )
    assert is_narrower(forged, asked) is (other <= scope and minutes <= 15)
    assert not is_narrower(replace(asked, number=2, reason="another"), asked)
    assert not is_narrower(replace(asked, number=2, command=Command(argv=("psql",))), asked)


@pytest.mark.parametrize(
    ("by", "says"),
    [
        (Narrowing(), "takes nothing away"),
        (Narrowing(duration=timedelta(minutes=15)), "takes nothing away"),
        (Narrowing(duration=timedelta(minutes=16)), "no longer"),
        (Narrowing(without=BOTH), "nothing would be left"),
        (Narrowing(without=Scope([replace(ORDERS, part="id")])), "not asked for as such"),
        (Narrowing(without=Scope([replace(ORDERS, action="DELETE")])), "not asked for as such"),
    ],
)
def test_what_is_no_offer_says_why(by, says):
    """A column of a whole table cannot be taken away: the target could not hold to it."""
    with pytest.raises(InvalidError, match=says):
        narrowed(asked_for(BOTH), by, number=2)


def test_a_whole_line_takes_its_columns_along():
    """Leaving out SELECT on orders leaves out each column of it."""
    columns = Scope([replace(ORDERS, part="id"), replace(ORDERS, part="status")])
    asked = asked_for(columns | Scope([replace(ORDERS, path=("shop", "customers"))]))
    offer = narrowed(asked, Narrowing(without=Scope([ORDERS])), number=2)
    assert [one.path for one in offer.plan.scope] == [("shop", "customers")]


def test_the_reviewer_can_tell_the_digest_before_it_is_made():
    """What the terminal signs is the revision that the server makes, byte for byte."""
    asked = asked_for(BOTH)
    without = Scope([replace(ORDERS, action="UPDATE")])
    offer = narrowed(asked, Narrowing(duration=timedelta(minutes=5), without=without), number=4)
    document = {"request": asked.to_json(), "latest_revision": 3}
    foretold = offered_request(document, without.to_json(), 300)
    assert canonical_json.digest(foretold) == offer.digest
