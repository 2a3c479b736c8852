"""Equal values give equal bytes; what has no one encoding is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain import canonical_json
from protem.domain.errors import InvalidError

texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.text(st.characters(max_codepoint=127))
integers = st.integers(-canonical_json.MAX_SAFE_INTEGER, canonical_json.MAX_SAFE_INTEGER)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=20,
)


@given(values)
def test_encoding_round_trips_and_is_stable(value):
    """Any JSON parser reads the value back, and encoding it again gives the same bytes."""
    data = canonical_json.encode(value)
    assert json.loads(data) == value
    assert canonical_json.encode(json.loads(data)) == data


@given(values)
def test_no_raw_control_character_is_left(value):
    """A canonical value is one line, whatever is in it."""
    assert not any(byte < 0x20 for byte in canonical_json.encode(value))


def test_keys_are_sorted_and_nothing_is_escaped_needlessly():
    """The exact bytes of a small value, as RFC 8785 has them."""
    value = {"b": [1, True, None], "a": 'é"\n\u202e'}
    assert canonical_json.encode(value) == '{"a":"é\\"\\n\u202e","b":[1,true,null]}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        2**53,
        -(2**53),
        {1: 2},
        {"é": 1},
        b"bytes",
        {"a": {2, 3}},
        "\ud800",
        object(),
    ],
)
def test_what_has_no_single_encoding_is_refused(value):
    """Floats, huge integers, odd keys and lone surrogates never reach a digest."""
    with pytest.raises(InvalidError):
        canonical_json.encode(value)


def test_digests_name_their_algorithm():
    """A digest can be told from one of another algorithm."""
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert canonical_json.digest({}) == f"sha256:{empty}"
