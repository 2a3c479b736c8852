"""Conditions on claims: what holds, and that only a star is special."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.identity.oidc.claim_conditions import hold


@pytest.mark.parametrize(
    ("condition", "claim", "holds"),
    [
        ("acme/shop", "acme/shop", True),
        ("acme/shop", "acme/shop2", False),
        ("acme/shop", "ACME/shop", False),
        ("acme/*", "acme/", True),
        ("acme/*", "xacme/shop", False),
        ("refs/*/v*", "refs/tags/v1", True),
        ("a*a", "a", False),
        ("a.c", "abc", False),
        (["main", "prod"], "prod", True),
        (["main", "prod"], "test", False),
        ("admins", ["users", "admins"], True),
        ("admins", ["users", 7, None], False),
        ("true", True, False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (1, 1, True),
        (1, "1", False),
        ({"namespace": "prod"}, {"namespace": "prod", "pod": "x"}, True),
        ({"namespace": "prod"}, {}, False),
        ({"namespace": "prod"}, "prod", False),
        ("prod", {"prod": 1}, False),
        ("x", None, False),
    ],
)
def test_a_condition_holds_of_a_claim_of_its_own_kind(condition, claim, holds):
    """Texts of texts, also within a list; numbers of numbers; tables of tables."""
    assert hold({"name": condition}, {"name": claim}) is holds
    assert not hold({"name": condition}, {})


def test_all_of_them_must_hold():
    """One that does not is enough to refuse."""
    claims = {"repository": "acme/shop", "ref": "refs/heads/topic"}
    assert hold({"repository": "acme/*"}, claims)
    assert not hold({"repository": "acme/*", "ref": "refs/heads/main"}, claims)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_stars_mean_what_they_mean_everywhere(pattern, text):
    """The same as a regular expression in which each star is a run of anything."""
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert hold({"name": pattern}, {"name": text}) is expected
