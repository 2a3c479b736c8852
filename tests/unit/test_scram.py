"""SCRAM verifiers: what is accepted as a public half, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.errors import InvalidError
from protem.domain.scram import check_scram_verifier, scram_verifier
from protem.domain.secret import Secret

ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


@given(ASCII, st.binary(min_size=12, max_size=64), st.integers(1, 3))
def test_what_is_made_is_accepted(password, salt, iterations):
    """Every verifier that we make passes our own check, with salt and iterations kept."""
    parts = check_scram_verifier(scram_verifier(Secret(password), salt, iterations))
    assert (parts.salt, parts.iterations) == (salt, iterations)


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "md5" + "0" * 32,
        "SCRAM-SHA-256$1:c2FsdA==$short:short",
        scram_verifier(Secret("p"), b"s" * 16) + "\n",
        scram_verifier(Secret("p"), b"s" * 16).replace("$1:", "$0:"),
        scram_verifier(Secret("p"), b"s" * 16).replace("$1:", "$9999999:"),
        scram_verifier(Secret("p"), b"s" * 16) + "' SUPERUSER",
    ],
)
def test_anything_else_is_refused_and_not_repeated(text):
    """A plain password, another hash or a bent verifier is refused with a message without it."""
    with pytest.raises(InvalidError) as caught:
        check_scram_verifier(text)
    assert text not in str(caught.value)


def test_too_few_iterations_are_refused():
    """A target may ask for more iterations."""
    with pytest.raises(InvalidError):
        check_scram_verifier(scram_verifier(Secret("p"), b"s" * 16), min_iterations=4096)


@pytest.mark.parametrize("password", ["", "pässword", "a\nb", "a\0b"])
def test_passwords_that_saslprep_would_change_are_refused(password):
    """Only printable ASCII is its own SASLprep form for certain."""
    with pytest.raises(InvalidError):
        scram_verifier(Secret(password), b"s" * 16)
