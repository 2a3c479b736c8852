"""WebAuthn: what a browser's authenticator says (W3C Web Authentication, level 3).

Here: reading registrations (section 7.1) and checking assertions (7.2) over a known challenge. Not
here: whose key it is, and the options that a browser is asked with (``signature_checker``).

Attestation is not asked for and not looked at: what a key may approve is policy's to say, not its
maker's. A registration therefore shows that a person was there, and possession is shown by the
first assertion; who registers a key that is not theirs gains one that they cannot use.

Invariants: whatever the input is, the answer is a result or a ``WebauthnError``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from fido2 import cbor
from fido2.cose import ES256, ES384, RS256, CoseKey, EdDSA
from fido2.webauthn import AttestationObject, AuthenticatorData

from protem.domain.approval_signatures import SignatureFacts

ALGORITHMS = (ES256.ALGORITHM, EdDSA.ALGORITHM, ES384.ALGORITHM, RS256.ALGORITHM)
MOST_PART = 16_384
_SCHEME = "webauthn"
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_CREATE, _GET = "webauthn.create", "webauthn.get"
_WORDS = 4


class WebauthnError(ValueError):
    """It does not hold, for the reason in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A public key credential: ``ApproverKey.public_key`` of this kind, read."""

    rp_id: str
    credential_id: bytes
    cose_key: bytes
    sign_count: int = 0

    @property
    def text(self) -> str:
        """The one line that it is kept as."""
        return f"{_SCHEME} {self.rp_id} {encode(self.credential_id)} {encode(self.cose_key)}"

    @classmethod
    def from_text(cls, text: str) -> Credential:
        """Read ``text`` back."""
        words = text.split(" ")
        if len(words) != _WORDS or words[0] != _SCHEME or not words[1]:
            raise WebauthnError("it is no WebAuthn key as we keep them")
        return cls(rp_id=words[1], credential_id=decode(words[2]), cose_key=decode(words[3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where ceremonies take place.

    Attributes:
        rp_id: the relying party's domain.
        origins: those that may ask; empty: https of the domain and below it, and http of
            localhost.
    """

    rp_id: str
    origins: frozenset[str] = frozenset()

    def allows(self, origin: str) -> bool:
        """Say whether a page of ``origin`` may ask."""
        if self.origins:
            return origin in self.origins
        try:
            parts = urlsplit(origin)
            host = parts.hostname or ""
        except ValueError:
            return False
        below = host == self.rp_id or host.endswith(f".{self.rp_id}")
        return below and (parts.scheme == "https" or (parts.scheme == "http" and _is_local(host)))


def encode(data: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: object) -> bytes:
    """Read ``encode`` back."""
    if not isinstance(text, str) or len(text) > MOST_PART or not _BASE64URL.fullmatch(text):
        raise WebauthnError("a part is no unpadded base64url, or too long")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise WebauthnError("a part is no unpadded base64url") from None
    if encode(data) != text:
        raise WebauthnError("a part has bits beyond its end")
    return data


def register(response: Mapping[str, Any], *, challenge: bytes, site: Site) -> Credential:
    """Return the credential that the ``response`` of a registration made.

    Raises:
        WebauthnError: when it is malformed, or of another challenge, site or origin.
    """
    _check_client_data(decode(response.get("clientDataJSON")), _CREATE, challenge, site)
    raw = decode(response.get("attestationObject"))
    try:
        data = AttestationObject(raw).auth_data
        made = data.credential_data
        cose = b"" if made is None else bytes(cbor.encode(dict(made.public_key)))
    except Exception:  # noqa: BLE001  # the parser lets every kind of error out
        raise WebauthnError("its attestation object is malformed") from None
    if made is None:
        raise WebauthnError("it holds no key")
    _check_presence(data, site.rp_id)
    _public_key(cose)
    return Credential(
        rp_id=site.rp_id,
        credential_id=made.credential_id,
        cose_key=cose,
        sign_count=data.counter,
    )


def check(
    parts: Mapping[str, str], credential: Credential, *, challenge: bytes, site: Site
) -> SignatureFacts:
    """Return what an assertion by ``credential`` over ``challenge`` tells.

    Raises:
        WebauthnError: when it does not hold.
    """
    client_data = decode(parts.get("client_data"))
    _check_client_data(client_data, _GET, challenge, site)
    raw = decode(parts.get("authenticator_data"))
    try:
        data = AuthenticatorData(raw)
    except Exception:  # noqa: BLE001  # the parser lets every kind of error out
        raise WebauthnError("its authenticator data is malformed") from None
    _check_presence(data, site.rp_id)
    signed = raw + hashlib.sha256(client_data).digest()
    try:
        _public_key(credential.cose_key).verify(signed, decode(parts.get("signature")))
    except InvalidSignature:
        raise WebauthnError("the key did not sign this") from None
    except WebauthnError:
        raise
    except Exception:  # noqa: BLE001  # a key of impossible numbers fails in many ways
        raise WebauthnError("the key cannot have signed anything") from None
    return SignatureFacts(user_verified=data.is_user_verified(), sign_count=data.counter)


def _public_key(cose: bytes) -> CoseKey:
    try:
        found = cbor.decode(cose)
        key = CoseKey.parse(found if isinstance(found, Mapping) else {})
        algorithm = key.ALGORITHM
    except Exception:  # noqa: BLE001  # the parser lets every kind of error out
        raise WebauthnError("its public key is malformed") from None
    if algorithm not in ALGORITHMS:
        raise WebauthnError("its algorithm is not taken")
    return key


def _check_client_data(data: bytes, ceremony: str, challenge: bytes, site: Site) -> None:
    try:
        found = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WebauthnError("its client data is malformed") from None
    if not isinstance(found, dict) or found.get("type") != ceremony:
        raise WebauthnError(f"it is not of the ceremony {ceremony}")
    if found.get("challenge") != encode(challenge):
        raise WebauthnError("it is of another challenge")
    origin = found.get("origin")
    if not isinstance(origin, str) or not site.allows(origin):
        raise WebauthnError("a page of another origin asked for it")
    if found.get("crossOrigin") not in (None, False):
        raise WebauthnError("it was asked for from within another site's page")


def _check_presence(data: AuthenticatorData, rp_id: str) -> None:
    if data.rp_id_hash != hashlib.sha256(rp_id.encode()).digest():
        raise WebauthnError("it is of another site")
    if not data.is_user_present():
        raise WebauthnError("nobody was present")


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")
