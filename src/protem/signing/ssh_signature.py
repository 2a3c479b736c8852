"""Signatures that ``ssh-keygen -Y sign`` makes (PROTOCOL.sshsig, PROTOCOL.u2f of OpenSSH).

Here: parsing and verifying one, for software keys and for security keys. Not here: whose key it is
and what was to be signed.

Invariants:
- Version 1, an empty reserved field, SHA-256 or SHA-512; RSA by ``rsa-sha2-512`` alone.
- A security key's signature counts only with a person present (the UP flag).
- Whatever the bytes are, the answer is a signature or a ``WireError``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from protem.domain.approval_signatures import SignatureFacts
from protem.signing.ssh_wire import (
    SECURITY_KEYS,
    SshPublicKey,
    WireError,
    WireReader,
    read_public_key,
    string,
)

MOST_TEXT = 16_384
_MAGIC, _VERSION = b"SSHSIG", 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_ARMOURED = re.compile(f"{_BEGIN}\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n{_END}\r?\n?")
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_USER_PRESENT, _USER_VERIFIED = 0x01, 0x04
_FLAGS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSignature:
    """A signature, parsed and not verified."""

    public_key: SshPublicKey
    namespace: bytes
    hash_name: bytes
    signature: bytes


def parse(text: str) -> SshSignature:
    """Return what the armoured ``text`` holds.

    Raises:
        WireError: when it is malformed or of a kind that we do not take.
    """
    if len(text) > MOST_TEXT:
        raise WireError(f"a signature is at most {MOST_TEXT} characters")
    armoured = _ARMOURED.fullmatch(text.strip(" \r\n") + "\n")
    if armoured is None:
        raise WireError(f"it does not stand between {_BEGIN} and {_END}")
    try:
        joined = armoured[1].replace("\r", "").replace("\n", "")
        blob = base64.b64decode(joined, validate=True)
    except binascii.Error:
        raise WireError("its base64 is broken") from None
    reader = WireReader(blob)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.number() != _VERSION:
        raise WireError("it is no SSHSIG of version 1")
    public_key = read_public_key(reader.string())
    namespace, reserved, hash_name = reader.string(), reader.string(), reader.string()
    signature = reader.string()
    reader.end()
    if reserved or hash_name not in _HASHES:
        raise WireError("it uses a hash or an extension that is not taken")
    return SshSignature(
        public_key=public_key, namespace=namespace, hash_name=hash_name, signature=signature
    )


def verify(found: SshSignature, *, message: bytes, namespace: str) -> SignatureFacts:
    """Return what ``found`` tells if its key signed ``message`` in ``namespace``.

    Raises:
        WireError: when it did not, or nobody was present.
    """
    if found.namespace != namespace.encode():
        raise WireError(f"it is of the namespace {found.namespace[:60]!a}, not {namespace}")
    hashed = _HASHES[found.hash_name](message).digest()
    signed = _MAGIC + b"".join(map(string, (namespace.encode(), b"", found.hash_name, hashed)))
    reader = WireReader(found.signature)
    name, raw = reader.string(), reader.string()
    facts = SignatureFacts()
    key = found.public_key
    if key.algorithm in SECURITY_KEYS:
        flags, counter = reader.take(_FLAGS), reader.number()
        if not flags[0] & _USER_PRESENT:
            raise WireError("nobody touched the security key")
        facts = SignatureFacts(user_verified=bool(flags[0] & _USER_VERIFIED), sign_count=counter)
        application = hashlib.sha256(key.application).digest()
        signed = application + flags + counter.to_bytes(4, "big") + hashlib.sha256(signed).digest()
    reader.end()
    _verify(key, name.decode("ascii", "replace"), raw, signed)
    return facts


def _verify(public_key: SshPublicKey, name: str, raw: bytes, signed: bytes) -> None:
    key = public_key.key
    wanted = "rsa-sha2-512" if isinstance(key, RSAPublicKey) else public_key.algorithm
    if name != wanted:
        raise WireError(f"a signature by this key is of kind {wanted}")
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(raw, signed)
        elif isinstance(key, EllipticCurvePublicKey):
            key.verify(_der(raw), signed, ECDSA(_hash_of(key)))
        else:
            key.verify(raw, signed, PKCS1v15(), hashes.SHA512())
    except InvalidSignature:
        raise WireError("the key did not sign this") from None


def _der(raw: bytes) -> bytes:
    """Return an ECDSA signature in the form that ``cryptography`` takes."""
    reader = WireReader(raw)
    r, s = reader.integer(), reader.integer()
    reader.end()
    return encode_dss_signature(r, s)


def _hash_of(key: EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    return hashes.SHA384() if key.key_size == 384 else hashes.SHA256()  # noqa: PLR2004  # RFC 5656
