"""Signing as a port, so that a KMS, an HSM or an agent can hold the key."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Holds one Ed25519 key for one purpose."""

    @property
    def key_id(self) -> str:
        """A short name of the public key, stable for the key's life."""
        ...

    @property
    def public_key(self) -> bytes:
        """The raw 32-byte Ed25519 public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of ``message`` (RFC 8032)."""
        ...
