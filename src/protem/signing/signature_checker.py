"""The signature port over ssh and WebAuthn.

Here: which of the two it is, and the options that a browser is asked with. Not here: the formats
(``ssh_signature``, ``webauthn_assertion``) and whose keys count (services).

A checker without a site checks WebAuthn assertions by the site that their key names; that is how
logs and orders are checked away from the server.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from protem.domain.approval_signatures import (
    APPROVAL_NAMESPACE,
    POSSESSION_NAMESPACE,
    ApprovalSignature,
    SignatureFacts,
    SignatureRefusedError,
    digest_bytes,
    possession_message,
    ssh_message,
)
from protem.domain.approver_keys import ApproverKey, KeyKind, fingerprint_of
from protem.domain.errors import InvalidError
from protem.domain.principals import Principal
from protem.ports.signature_check import PublicKey
from protem.signing import ssh_signature, webauthn_assertion
from protem.signing.ssh_wire import ALGORITHMS, WireError, read_public_key
from protem.signing.webauthn_assertion import Credential, Site, WebauthnError

RELYING_PARTY = "Protem"
_CEREMONY_MILLISECONDS = 120_000
_MOST_LINE = 4_096


class SignatureChecker:
    """``SignatureCheck`` of this machine."""

    def __init__(self, site: Site | None = None) -> None:
        self._site = site

    def ssh_key(self, line: str) -> PublicKey:
        """Read a line such as ``ssh-ed25519 AAAA... comment``."""
        words = line.strip().split(None, 2)
        if len(line) > _MOST_LINE or len(words) < 2 or words[0] not in ALGORITHMS:  # noqa: PLR2004
            raise InvalidError(
                f"a public key is one line that begins with one of {', '.join(ALGORITHMS)}"
            )
        try:
            key = read_public_key(base64.b64decode(words[1], validate=True))
        except (WireError, binascii.Error) as error:
            raise InvalidError(f"this public key cannot be taken: {error}") from None
        if key.algorithm != words[0]:
            raise InvalidError(f"this public key says {words[0]} and is {key.algorithm}")
        return PublicKey(
            id=fingerprint_of(key.blob),
            kind=KeyKind.SSH,
            text=f"{key.algorithm} {base64.b64encode(key.blob).decode()}",
            comment=words[2] if len(words) > 2 else "",  # noqa: PLR2004
        )

    def read(self, kind: KeyKind, offered: object) -> ApprovalSignature:
        """Return a client's signature in the form that is kept."""
        if kind is KeyKind.SSH:
            return _ssh_of(offered)
        response = _response_of(offered)
        parts = {
            "authenticator_data": response.get("authenticatorData"),
            "client_data": response.get("clientDataJSON"),
            "signature": response.get("signature"),
        }
        try:
            credential_id = webauthn_assertion.decode(_mapping(offered).get("rawId"))
            kept = {
                name: webauthn_assertion.encode(webauthn_assertion.decode(part))
                for name, part in parts.items()
            }
        except WebauthnError as error:
            raise SignatureRefusedError(f"this is no WebAuthn assertion: {error}") from None
        return ApprovalSignature(kind=kind, key_id=fingerprint_of(credential_id), parts=kept)

    def check(self, key: ApproverKey, signature: ApprovalSignature, digest: str) -> SignatureFacts:
        """Return what the signature tells, or refuse it."""
        if signature.kind is not key.kind or signature.key_id != key.id:
            raise SignatureRefusedError(f"the signature is not by the key {key.id}")
        try:
            if key.kind is KeyKind.SSH:
                found = ssh_signature.parse(signature.parts["signature"])
                _check_same(found, key.public_key)
                return ssh_signature.verify(
                    found, message=ssh_message(digest), namespace=APPROVAL_NAMESPACE
                )
            credential = Credential.from_text(key.public_key)
            return webauthn_assertion.check(
                signature.parts,
                credential,
                challenge=digest_bytes(digest),
                site=self._site or Site(rp_id=credential.rp_id),
            )
        except (WireError, WebauthnError, InvalidError, KeyError) as error:
            raise SignatureRefusedError(f"the signature does not hold: {error}") from None

    def check_possession(self, key: PublicKey, challenge: str, signature: str) -> None:
        """Return if the ssh key signed the challenge."""
        try:
            found = ssh_signature.parse(signature)
            _check_same(found, key.text)
            ssh_signature.verify(
                found, message=possession_message(challenge), namespace=POSSESSION_NAMESPACE
            )
        except WireError as error:
            raise SignatureRefusedError(
                f"the challenge is not signed by this key: {error}"
            ) from None

    def creation_options(
        self, principal: Principal, challenge: str, known: Sequence[ApproverKey]
    ) -> Mapping[str, Any]:
        """Return the options for ``navigator.credentials.create``."""
        return {
            "rp": {"id": self._own_site().rp_id, "name": RELYING_PARTY},
            "user": {
                "id": webauthn_assertion.encode(
                    hashlib.sha256(str(principal.id).encode()).digest()
                ),
                "name": principal.id.subject,
                "displayName": principal.display,
            },
            "challenge": webauthn_assertion.encode(challenge.encode()),
            "pubKeyCredParams": [
                {"type": "public-key", "alg": algorithm}
                for algorithm in webauthn_assertion.ALGORITHMS
            ],
            "timeout": _CEREMONY_MILLISECONDS,
            "excludeCredentials": _descriptors(known),
            "authenticatorSelection": {
                "residentKey": "discouraged",
                "requireResidentKey": False,
                "userVerification": "preferred",
            },
            "attestation": "none",
        }

    def created(self, credential: object, challenge: str) -> PublicKey:
        """Return the key that a browser's answer to these options made."""
        try:
            made = webauthn_assertion.register(
                _response_of(credential), challenge=challenge.encode(), site=self._own_site()
            )
            named = webauthn_assertion.decode(_mapping(credential).get("rawId"))
        except WebauthnError as error:
            raise SignatureRefusedError(f"the key was not registered: {error}") from None
        if named != made.credential_id:
            raise SignatureRefusedError("the answer names another credential than it holds")
        return PublicKey(
            id=fingerprint_of(made.credential_id),
            kind=KeyKind.WEBAUTHN,
            text=made.text,
            sign_count=made.sign_count,
        )

    def request_options(
        self, digest: str, keys: Sequence[ApproverKey], *, user_verified: bool
    ) -> Mapping[str, Any]:
        """Return the options for ``navigator.credentials.get``."""
        return {
            "challenge": webauthn_assertion.encode(digest_bytes(digest)),
            "timeout": _CEREMONY_MILLISECONDS,
            "rpId": self._own_site().rp_id,
            "allowCredentials": _descriptors(keys),
            "userVerification": "required" if user_verified else "preferred",
        }

    def _own_site(self) -> Site:
        if self._site is None:
            raise InvalidError("this process has no site of its own")
        return self._site


def _ssh_of(offered: object) -> ApprovalSignature:
    if not isinstance(offered, str):
        raise SignatureRefusedError("an ssh signature is text")
    try:
        found = ssh_signature.parse(offered)
    except WireError as error:
        raise SignatureRefusedError(f"this is no ssh signature: {error}") from None
    return ApprovalSignature(
        kind=KeyKind.SSH,
        key_id=fingerprint_of(found.public_key.blob),
        parts={"signature": offered.replace("\r", "").strip() + "\n"},
    )


def _check_same(found: ssh_signature.SshSignature, public_key: str) -> None:
    _, _, encoded = public_key.partition(" ")
    if not hmac.compare_digest(base64.b64encode(found.public_key.blob), encoded.encode()):
        raise WireError("another key made it")


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise WebauthnError("it is no JSON object")
    return value


def _response_of(credential: object) -> Mapping[str, Any]:
    try:
        return _mapping(_mapping(credential).get("response"))
    except WebauthnError as error:
        raise SignatureRefusedError(f"this is no WebAuthn answer: {error}") from None


def _descriptors(keys: Sequence[ApproverKey]) -> list[dict[str, str]]:
    return [
        {
            "type": "public-key",
            "id": webauthn_assertion.encode(Credential.from_text(key.public_key).credential_id),
        }
        for key in keys
        if key.kind is KeyKind.WEBAUTHN and key.in_use
    ]
