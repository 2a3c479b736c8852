"""What every signer promises."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protem.ports.signer import Signer


class SignerContract:
    """Override ``signer`` and ``another``, a signer with another key."""

    @pytest.fixture
    def signer(self) -> Signer:
        """Return the signer under test."""
        raise NotImplementedError

    @pytest.fixture
    def another(self) -> Signer:
        """Return a signer of the same kind with another key."""
        raise NotImplementedError

    @pytest.mark.parametrize("message", [b"", b"order", b"\x00" * 100_000])
    def test_a_signature_verifies_under_the_public_key(
        self, signer: Signer, message: bytes
    ) -> None:
        """Of any message, by anyone who has the 32 bytes."""
        key = Ed25519PublicKey.from_public_bytes(signer.public_key)
        key.verify(signer.sign(message), message)

    def test_a_signature_is_of_one_message_by_one_key(
        self, signer: Signer, another: Signer
    ) -> None:
        """It fits neither another message nor another key."""
        key = Ed25519PublicKey.from_public_bytes(signer.public_key)
        for signature in (signer.sign(b"other"), another.sign(b"order")):
            with pytest.raises(InvalidSignature):
                key.verify(signature, b"order")

    def test_a_key_has_a_name_of_its_own(self, signer: Signer, another: Signer) -> None:
        """The same key keeps its name; another has another."""
        assert signer.key_id == signer.key_id != another.key_id
