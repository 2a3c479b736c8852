"""Keys of every kind that approvers sign with, in software: for tests, never for people.

Here: ssh keys and security keys that make SSHSIG signatures, and an authenticator that answers as a
browser with one would. Written from the formats, apart from what checks them, so that each is the
other's oracle. Not here: checking.

Sources: PROTOCOL.sshsig and PROTOCOL.u2f of OpenSSH; W3C Web Authentication, sections 6 and 5.8;
RFC 8949 for the CBOR that these need.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40
_MAGIC = b"SSHSIG"
_LINE = 70
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

SOFTWARE_KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ssh-rsa",
)
SECURITY_KINDS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


@dataclass(slots=True)
class InsecureSshKey:
    """An ssh key of ``kind``; a security key if the kind begins with ``sk-``.

    Attributes:
        flags: what a security key says of who was there.
        counter: rises with each signature of a security key.
    """

    kind: str = "ssh-ed25519"
    key: PrivateKey | None = None
    flags: int = USER_PRESENT
    counter: int = 0
    application: bytes = b"ssh:"
    hash_name: str = "sha512"
    reserved: bytes = b""

    def __post_init__(self) -> None:
        if self.key is None:
            self.key = _fresh(self.kind)

    @property
    def blob(self) -> bytes:
        """The public key in wire form."""
        fields = [self.kind.encode(), *_public_fields(self._key)]
        if self.kind.startswith("sk-"):
            fields.append(self.application)
        return b"".join(map(string, fields))

    @property
    def line(self) -> str:
        """The public key as a line of an ``authorized_keys`` file, without a comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    def sign(self, message: bytes, namespace: str) -> str:
        """Return an armoured SSHSIG over ``message``."""
        hashed = hashlib.new(self.hash_name, message).digest()
        name = self.hash_name.encode()
        parts = (namespace.encode(), self.reserved, name, hashed)
        signature = self._signature(_MAGIC + b"".join(map(string, parts)))
        fields = (self.blob, namespace.encode(), self.reserved, name, signature)
        return armour(_MAGIC + (1).to_bytes(4, "big") + b"".join(map(string, fields)))

    @property
    def _key(self) -> PrivateKey:
        assert self.key is not None
        return self.key

    def _signature(self, signed: bytes) -> bytes:
        tail = b""
        if self.kind.startswith("sk-"):
            self.counter += 1
            tail = bytes([self.flags]) + self.counter.to_bytes(4, "big")
            signed = (
                hashlib.sha256(self.application).digest() + tail + hashlib.sha256(signed).digest()
            )
        key = self._key
        if isinstance(key, rsa.RSAPrivateKey):
            raw = key.sign(signed, padding.PKCS1v15(), hashes.SHA512())
            return string(b"rsa-sha2-512") + string(raw)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            raw = key.sign(signed)
        else:
            r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(_hash(key))))
            raw = string(_integer(r)) + string(_integer(s))
        return string(self.kind.encode()) + string(raw) + tail


@dataclass(slots=True)
class InsecureAuthenticator:
    """A browser with an authenticator of one key, at a page of ``origin``."""

    origin: str = "http://localhost"
    algorithm: int = -7
    flags: int = USER_PRESENT
    counter: int = 0
    credential_id: bytes = b"credential-of-a-test"
    key: PrivateKey | None = None
    client_data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.key is None:
            self.key = _fresh("ssh-ed25519" if self.algorithm == -8 else "ecdsa-sha2-nistp256")

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``RegistrationResponseJSON`` to creation options in JSON."""
        client = self._client_data("webauthn.create", options["challenge"])
        data = self._data(options["rp"]["id"], self.flags | ATTESTED) + b"".join(
            (
                bytes(16),
                len(self.credential_id).to_bytes(2, "big"),
                self.credential_id,
                cbor(self.cose_key()),
            )
        )
        attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=client, attestationObject=attestation)

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``AuthenticationResponseJSON`` to request options in JSON."""
        self.counter += 1
        client = self._client_data("webauthn.get", options["challenge"])
        data = self._data(options["rpId"], self.flags)
        signed = data + hashlib.sha256(client).digest()
        key = self.key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            signature = key.sign(signed)
        else:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)

    def cose_key(self) -> dict[int, Any]:
        """Return the public key (RFC 9052)."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return {1: 2, 3: -7, -1: 1, -2: x, -3: y}

    def _data(self, rp_id: str, flags: int) -> bytes:
        rp_hash = hashlib.sha256(rp_id.encode()).digest()
        return rp_hash + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client_data(self, ceremony: str, challenge: str) -> bytes:
        told = {
            "type": ceremony,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": False,
        }
        return json.dumps(told | self.client_data).encode()

    def _answer(self, **response: bytes) -> dict[str, Any]:
        name = base64url(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": {part: base64url(data) for part, data in response.items()},
            "clientExtensionResults": {},
        }


def string(data: bytes) -> bytes:
    """Return an SSH string."""
    return len(data).to_bytes(4, "big") + data


def armour(blob: bytes) -> str:
    """Return a signature as ``ssh-keygen`` prints it."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def base64url(data: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def cbor(value: Any) -> bytes:
    """Return small maps, texts, bytes and integers as CBOR."""
    if isinstance(value, Mapping):
        pairs = b"".join(cbor(key) + cbor(item) for key, item in value.items())
        return _head(5, len(value)) + pairs
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _head(major: int, count: int) -> bytes:
    if count < 24:  # RFC 8949, section 3
        return bytes([major << 5 | count])
    size = 1 if count < 1 << 8 else 2 if count < 1 << 16 else 4
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26}[size]]) + count.to_bytes(size, "big")


def _fresh(kind: str) -> PrivateKey:
    if kind == "ssh-rsa":
        return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    if "ecdsa" in kind:
        return ec.generate_private_key(ec.SECP384R1() if "384" in kind else ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def _public_fields(key: PrivateKey) -> list[bytes]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return [_integer(numbers.e), _integer(numbers.n)]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return [key.public_key().public_bytes_raw()]
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return [b"nistp384" if key.curve.key_size == 384 else b"nistp256", point]


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _hash(key: ec.EllipticCurvePrivateKey) -> hashes.HashAlgorithm:
    return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA256()
