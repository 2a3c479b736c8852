"""An Ed25519 key in a private file.

Here: making, loading and using one key file. Not here: what is signed.

Invariants: the file is 0600 and owned by us, or loading refuses; the private key is never printed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.domain.errors import InvalidError


class LocalKey:
    """Signs with a key read from a file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the public key."""
        return hashlib.sha256(self._public).hexdigest()[:16]

    @property
    def public_key(self) -> bytes:
        """The raw 32-byte public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of ``message``."""
        return self._key.sign(message)


def create_key(path: Path) -> LocalKey:
    """Make a new key file that only its owner can read.

    Raises:
        InvalidError: when the file exists; a key is never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InvalidError(f"key file {path} exists; a key is never overwritten") from error
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return LocalKey(key)


def load_key(path: Path) -> LocalKey:
    """Read a key file.

    Raises:
        InvalidError: when it is absent, readable by others, or not an Ed25519 private key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            pem = file.read()
    except OSError as error:
        raise InvalidError(f"key file {path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode.st_mode) & 0o077 or mode.st_uid != os.geteuid():
        raise InvalidError(
            f"key file {path} must belong to this user with mode 0600",
            next_step=f"chmod 600 {path}",
        )
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise InvalidError(f"key file {path} is not a private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidError(f"key file {path} is not an Ed25519 key")
    return LocalKey(key)
