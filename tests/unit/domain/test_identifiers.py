"""Identifiers that are not well formed do not exist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId, GroupName, ProfileName, TargetName
from protem.domain.principals import PrincipalId

HOSTILE = [
    "",
    " ",
    "a b",
    "a\n",
    "a\0",
    "é",
    "\u202e",
    "a'; drop role x; --",
    '"',
    "x" * 10_000,
    "../a",
]


@pytest.mark.parametrize("kind", [GrantId, TargetName, ProfileName, GroupName])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_never_an_identifier(kind, text):
    """Quotes, control characters, other alphabets and 10 kB are all refused."""
    with pytest.raises(InvalidError) as caught:
        kind(text)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isascii()


def test_a_grant_id_names_its_privilege():
    """The name at the target derives from the id alone and fits an SQL identifier."""
    grant_id = GrantId("01jd0000000000000000000000")
    assert grant_id.name_at_target == "protem_01jd0000000000000000000000"
    assert len(grant_id.name_at_target) <= 63


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255))
def test_a_principal_reads_back(subject):
    """Any printable subject, bars included, survives writing and parsing."""
    who = PrincipalId(issuer="local", subject=subject)
    assert PrincipalId.parse(str(who)) == who


@pytest.mark.parametrize("text", ["", "local", "|x", "local|", "a|b\n", "a b|c"])
def test_half_a_principal_is_refused(text):
    """Identity is issuer and subject, both."""
    with pytest.raises(InvalidError):
        PrincipalId.parse(text)
