r"""An approver's own signature: what is signed, and the form in which it travels.

What is signed is the digest of the canonical request, and nothing that this server could choose:
- by ssh, the digest's text and a line feed, in the namespace ``approval@protem.dev``
  (PROTOCOL.sshsig of OpenSSH), so that anybody can do it by hand:
  ``printf '%s\n' DIGEST | ssh-keygen -Y sign -n approval@protem.dev -f KEY``;
- by WebAuthn, the digest's 32 bytes are the challenge (W3C Web Authentication, section 7.2).

Here: these bytes, the stored form, and the refusals. Not here: checking (the signature port) and
whose key it must be (services).

Invariants: only a yes is signed; the stored form with the public key is all that a verifier needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from protem.domain import canonical_json
from protem.domain.approver_keys import KeyKind
from protem.domain.errors import DeniedError, InvalidError

APPROVAL_NAMESPACE = "approval@protem.dev"
POSSESSION_NAMESPACE = "key@protem.dev"
"""Of the challenge at a key's registration: a signature of one is never one of the other."""
FORMAT = "protem.dev/approval-signature/v1"
MAX_TEXT = 32_768
PARTS = {
    KeyKind.SSH: ("signature",),
    KeyKind.WEBAUTHN: ("authenticator_data", "client_data", "signature"),
}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class SignatureRequiredError(DeniedError):
    """Policy asks for a signed approval, and this one is not, or not strongly enough."""

    code = "signature_required"


class SignatureRefusedError(DeniedError):
    """The signature does not hold: malformed, of something else, or by a key that is void."""

    code = "signature_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSignature:
    """One signature with everything but the public key.

    Attributes:
        key_id: of the key that says it made it.
        parts: text by name. ssh: ``signature``, armoured. WebAuthn: ``authenticator_data``,
            ``client_data`` and ``signature``, in unpadded base64url.
    """

    kind: KeyKind
    key_id: str
    parts: Mapping[str, str]

    def to_text(self) -> str:
        """Return the canonical JSON that is stored, logged and carried in orders."""
        form = {"format": FORMAT, "kind": self.kind, "key": self.key_id, **self.parts}
        return canonical_json.encode(form).decode()

    @classmethod
    def from_text(cls, text: object) -> ApprovalSignature:
        """Read ``to_text`` back.

        Raises:
            SignatureRefusedError: when it is anything else.
        """
        refused = SignatureRefusedError("this is not an approval's signature in our form")
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise refused
        try:
            form = json.loads(text)
            kind = KeyKind(form["kind"])
            parts = {name: form[name] for name in PARTS[kind]}
            found = cls(kind=kind, key_id=form["key"], parts=parts)
            whole = all(isinstance(part, str) for part in (found.key_id, *parts.values()))
            if not whole or found.to_text() != text:
                raise refused
        except (ValueError, KeyError, TypeError, RecursionError, InvalidError):
            raise refused from None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFacts:
    """What a signature that holds tells.

    Attributes:
        user_verified: the authenticator checked who is there (PIN, biometry), not only that
            somebody is.
        sign_count: the authenticator's counter; 0 when it has none.
    """

    user_verified: bool = False
    sign_count: int = 0


def digest_bytes(digest: str) -> bytes:
    """Return the 32 bytes of a ``sha256:`` digest: the WebAuthn challenge.

    Raises:
        InvalidError: when it is none.
    """
    if _DIGEST.fullmatch(digest) is None:
        raise InvalidError("a digest is sha256: and 64 hexadecimal digits")
    return bytes.fromhex(digest.removeprefix("sha256:"))


def ssh_message(digest: str) -> bytes:
    """Return the bytes that an ssh key signs."""
    digest_bytes(digest)
    return f"{digest}\n".encode()


def possession_message(challenge: str) -> bytes:
    """Return the bytes that a new ssh key signs at its registration."""
    return f"{challenge}\n".encode()
