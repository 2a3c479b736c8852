"""SCRAM-SHA-256 verifiers: what a database keeps instead of a password.

Here: making a verifier from a password and a salt, and checking the form of one (RFC 5802 section
3, RFC 7677; PostgreSQL's spelling ``SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY``). Not
here: chance (the salt is an argument) and the exchange itself; the client's driver does that.

Invariants:
- A verifier cannot be used to log in (law 7), but a weak password can be guessed from it: passwords
  are made by machine with at least 192 bits, and then more iterations add nothing.
- Passwords are printable ASCII, on which SASLprep (RFC 4013) changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from protem.domain.errors import InvalidError
from protem.domain.secret import Secret

FORM = "scram-sha-256"
"""The ``form`` of a public half that is such a verifier."""
MIN_SALT = 12
MAX_SALT = 64
MAX_ITERATIONS = 100_000
"""PostgreSQL runs all iterations once for each new role, so a client must not ask for millions."""

_KEY_LENGTH = 32
_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{0,6}):([A-Za-z0-9+/]+={0,2})"
    r"\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScramVerifier:
    """A checked verifier, taken apart."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


def scram_verifier(password: Secret, salt: bytes, iterations: int = 1) -> str:
    """Return the verifier of ``password``.

    Args:
        password: printable ASCII, not empty.
        salt: 12 to 64 random bytes.
        iterations: of PBKDF2; 1 suits passwords of 192 random bits.

    Raises:
        InvalidError: when an argument is out of bounds.
    """
    text = password.reveal()
    if not text or not text.isascii() or not text.isprintable():
        raise InvalidError("a password is printable ASCII and not empty")
    if not MIN_SALT <= len(salt) <= MAX_SALT:
        raise InvalidError(f"a salt is {MIN_SALT} to {MAX_SALT} bytes")
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise InvalidError(f"iterations are 1 to {MAX_ITERATIONS}")
    salted = hashlib.pbkdf2_hmac("sha256", text.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def check_scram_verifier(text: str, *, min_iterations: int = 1) -> ScramVerifier:
    """Return the parts of a verifier in its one canonical spelling.

    Raises:
        InvalidError: for anything else, a plain password above all; the text is not repeated.
    """
    match = _VERIFIER.fullmatch(text)
    if match is None:
        raise InvalidError("the public half is not a SCRAM-SHA-256 verifier")
    iterations = int(match[1])
    if not min_iterations <= iterations <= MAX_ITERATIONS:
        raise InvalidError(f"a verifier here has {min_iterations} to {MAX_ITERATIONS} iterations")
    salt, stored_key, server_key = (_bytes(part) for part in match.group(2, 3, 4))
    if not MIN_SALT <= len(salt) <= MAX_SALT:
        raise InvalidError(f"a verifier's salt is {MIN_SALT} to {MAX_SALT} bytes")
    if len(stored_key) != _KEY_LENGTH or len(server_key) != _KEY_LENGTH:
        raise InvalidError("a verifier's keys are 32 bytes each")
    return ScramVerifier(
        iterations=iterations, salt=salt, stored_key=stored_key, server_key=server_key
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidError("a verifier's parts are base64") from None
    if _text(raw) != text:
        raise InvalidError("a verifier's parts are canonical base64")
    return raw
