"""SSH's wire form, read strictly: every byte is accounted for, or it is refused.

Here: the reader and writer of RFC 4251 section 5 (string, uint32, mpint) and public keys in that
form (RFC 4253 section 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f of OpenSSH). Not here: signatures
(``ssh_signature``).

Invariants: lengths are within what is there; nothing trails; numbers have one spelling.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

_LENGTH = 4
_RSA_BITS = (2_048, 8_192)
_CURVES: dict[str, tuple[bytes, type[EllipticCurve]]] = {
    "ecdsa-sha2-nistp256": (b"nistp256", SECP256R1),
    "ecdsa-sha2-nistp384": (b"nistp384", SECP384R1),
    "sk-ecdsa-sha2-nistp256@openssh.com": (b"nistp256", SECP256R1),
}
ALGORITHMS = (
    "ssh-ed25519",
    "ssh-rsa",
    *_CURVES,
    "sk-ssh-ed25519@openssh.com",
)
SECURITY_KEYS = frozenset(name for name in ALGORITHMS if name.startswith("sk-"))

CryptographyKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


class WireError(ValueError):
    """The bytes are not of the form that they should have."""


class WireReader:
    """Reads fields one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise WireError("it is cut off")
        self._at += count
        return taken

    def number(self) -> int:
        """Return an unsigned 32-bit number."""
        return int.from_bytes(self.take(_LENGTH), "big")

    def string(self) -> bytes:
        """Return a string."""
        return self.take(self.number())

    def integer(self) -> int:
        """Return a positive number of any size."""
        data = self.string()
        value = int.from_bytes(data, "big")
        if value <= 0 or data != _shortest(value):
            raise WireError("a number is not positive, or not in its shortest form")
        return value

    def end(self) -> None:
        """Return when everything was read."""
        if self._at != len(self._data):
            raise WireError("something trails")


def string(data: bytes) -> bytes:
    """Return ``data`` with its length before it."""
    return len(data).to_bytes(_LENGTH, "big") + data


@dataclass(frozen=True, slots=True, kw_only=True)
class SshPublicKey:
    """A public key, read.

    Attributes:
        blob: its wire form.
        application: of a security key, what it was made for, such as ``ssh:``.
    """

    algorithm: str
    blob: bytes
    key: CryptographyKey
    application: bytes = b""


def read_public_key(blob: bytes) -> SshPublicKey:
    """Return the key in ``blob``.

    Raises:
        WireError: when it is malformed, or of a kind or strength that we do not take.
    """
    reader = WireReader(blob)
    name = reader.string()
    algorithm = name.decode("ascii", "replace")
    if algorithm not in ALGORITHMS:
        raise WireError(f"keys of kind {algorithm[:60]!a} are not taken")
    key: CryptographyKey
    try:
        if algorithm == "ssh-rsa":
            key = _rsa(exponent=reader.integer(), modulus=reader.integer())
        elif algorithm in _CURVES:
            key = _elliptic(algorithm, reader.string(), reader.string())
        else:
            key = Ed25519PublicKey.from_public_bytes(reader.string())
    except WireError:
        raise
    except ValueError:
        raise WireError("its numbers are no key") from None
    application = reader.string() if algorithm in SECURITY_KEYS else b""
    reader.end()
    return SshPublicKey(algorithm=algorithm, blob=blob, key=key, application=application)


def _rsa(*, exponent: int, modulus: int) -> RSAPublicKey:
    low, high = _RSA_BITS
    if not low <= modulus.bit_length() <= high:
        raise WireError(f"RSA keys have {low} to {high} bits")
    return RSAPublicNumbers(exponent, modulus).public_key()


def _elliptic(algorithm: str, curve: bytes, point: bytes) -> EllipticCurvePublicKey:
    name, kind = _CURVES[algorithm]
    if curve != name or point[:1] != b"\x04":
        raise WireError("the curve is not the algorithm's, or the point is not uncompressed")
    return EllipticCurvePublicKey.from_encoded_point(kind(), point)


def _shortest(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")
