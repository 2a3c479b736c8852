"""Signed heads of the tree: C2SP tlog-checkpoint in a C2SP signed note.

Here: the text forms, strictly read, and Ed25519 signatures over them. Not here: whether a head
fits a log (verifier), or which heads may be signed (log_writer).

A checkpoint is three lines (origin, size, root in base64), an empty line and signature lines. A
verifier key is ``name+hash+base64``. The origin is the key's name.

Invariants: what is not byte for byte in its canonical form is refused (base64 with loose bits,
leading zeros, control characters), so every altered bit of a checkpoint shows. Nothing of Protem
but this package is imported at run time.

Sources: https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protem.audit.tree import HASH_SIZE

if TYPE_CHECKING:
    from protem.ports.signer import Signer

MAX_NOTE_SIZE = 65_536
_ED25519 = b"\x01"
_KEY_ID_SIZE = 4
_SIGNATURE_SIZE = 64
_MAX_SIGNATURES = 100
_MIN_BODY_LINES = 3
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE_LINE = re.compile(r"— ([^\s+\x00-\x1f\x7f]+) ([A-Za-z0-9+/=]+)")


class CheckpointError(ValueError):
    """The note or key is not well formed, or no signature by the key holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A named Ed25519 public key: whoever has it can check a log of that name."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise CheckpointError("a log's name has no spaces, plus signs or control characters")
        if len(self.public_key) != HASH_SIZE:
            raise CheckpointError("an Ed25519 public key has 32 bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``name+hash+base64``; one line feed at the end is allowed.

        Raises:
            CheckpointError: when it is not one, or its hash is not the hash of its key.
        """
        parts = text.removesuffix("\n").split("+", 2)
        if len(parts) != 3:  # noqa: PLR2004  # name, hash, key
            raise CheckpointError("a verifier key is name+hash+base64")
        data = _decode(parts[2])
        if data[:1] != _ED25519:
            raise CheckpointError("the verifier key is not an Ed25519 key")
        key = cls(name=parts[0], public_key=data[1:])
        if key.key_id.hex() != parts[1]:
            raise CheckpointError("the verifier key's hash is not that of its key and name")
        return key

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        digest = sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()
        return digest[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_encode(_ED25519 + self.public_key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A head: the log's name, how many entries it covers, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the lines that are signed."""
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


def key_of(signer: Signer, name: str) -> VerifierKey:
    """Return the verifier key of ``signer`` for the log called ``name``."""
    return VerifierKey(name=name, public_key=signer.public_key)


def sign(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Return the signed note of ``checkpoint``; the key's name is the origin."""
    key = key_of(signer, checkpoint.origin)
    text = checkpoint.text()
    signature = _encode(key.key_id + signer.sign(text.encode()))
    return f"{text}\n— {key.name} {signature}\n".encode()


def verify(note: bytes, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint in ``note`` if ``key`` signed it.

    Signatures by other keys (witnesses) are allowed and not judged.

    Raises:
        CheckpointError: when the note is malformed, of another log, or not signed by ``key``.
    """
    checkpoint = _parse_body(verify_note(note, key))
    if checkpoint.origin != key.name:
        raise CheckpointError(
            f"the checkpoint is of the log {checkpoint.origin!a}, not {key.name!a}"
        )
    return checkpoint


def verify_note(note: bytes, key: VerifierKey) -> str:
    """Return the text of a signed note.

    Raises:
        CheckpointError: when it is malformed or not signed by ``key``.
    """
    text, signatures = _split(note)
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    found = False
    for name, data in signatures:
        if name != key.name or data[:_KEY_ID_SIZE] != key.key_id:
            continue
        try:
            public.verify(data[_KEY_ID_SIZE:], text.encode())
        except InvalidSignature as error:
            raise CheckpointError(f"the signature by {name!a} does not hold") from error
        found = True
    if not found:
        raise CheckpointError(f"no signature by {key.name!a} with this key")
    return text


def peek(note: bytes) -> Checkpoint:
    """Read a checkpoint whose signature is checked elsewhere.

    Raises:
        CheckpointError: when it is malformed.
    """
    return _parse_body(_split(note)[0])


def _split(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note) > MAX_NOTE_SIZE:
        raise CheckpointError(f"a note has at most {MAX_NOTE_SIZE} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError("a note is UTF-8 text") from error
    if any(character < " " and character != "\n" for character in whole):
        raise CheckpointError("a note has no control characters")
    body, gap, tail = whole.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise CheckpointError("a note is text, an empty line, and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise CheckpointError(f"a note has at most {_MAX_SIGNATURES} signatures")
    signatures = []
    for line in lines:
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise CheckpointError("a signature line is an em dash, a name and base64")
        data = _decode(match[2])
        if len(data) <= _KEY_ID_SIZE:
            raise CheckpointError("a signature is too short")
        signatures.append((match[1], data))
    return body + "\n", signatures


def _parse_body(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) < _MIN_BODY_LINES or not all(lines):
        raise CheckpointError("a checkpoint has the lines origin, size and root")
    origin, size, root = lines[:_MIN_BODY_LINES]
    if _SIZE.fullmatch(size) is None:
        raise CheckpointError("a checkpoint's size is a decimal number without leading zeros")
    digest = _decode(root)
    if len(digest) != HASH_SIZE:
        raise CheckpointError("a checkpoint's root has 32 bytes")
    return Checkpoint(origin=origin, size=int(size), root=digest)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise CheckpointError("not base64") from error
    if _encode(data) != text:
        raise CheckpointError("not canonical base64")
    return data
