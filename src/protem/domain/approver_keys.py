"""The keys with which people sign their approvals: whose, of what kind, since when.

Here: the key as a record, and the challenge that proves its possession. Not here: reading key
material or checking signatures (the signature port).

Invariants:
- A key belongs to one person, for good; robots and agents have none.
- A key that was removed signs nothing any more, nor does what it signed before count; if it is
  added again, it counts from then on.
"""

from __future__ import annotations

import base64
import enum
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.errors import ConflictError, InvalidError
from protem.domain.principals import PrincipalId

MAX_NAME = 64
MAX_PUBLIC_KEY = 4_096
MOST_KEYS = 20
"""Keys in use per person: enough for every device, too few to flood the log."""
CHALLENGE_LIFETIME = timedelta(minutes=10)


class KeyKind(enum.StrEnum):
    """How a key signs."""

    SSH = "ssh"
    WEBAUTHN = "webauthn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverKey:
    """One key of one person.

    Attributes:
        id: ``SHA256:`` and base64 without padding; for ssh the fingerprint that ``ssh-keygen -l``
            shows, for WebAuthn the same over the credential's id.
        public_key: one line that is all a verifier needs: ``ssh-ed25519 AAAA...``, or
            ``webauthn RP-ID CREDENTIAL-ID COSE-KEY``, the last two in unpadded base64url.
        declared: it comes from the settings file.
        sign_count: the highest signature counter seen; 0 when the key has none.

    Raises:
        InvalidError: when name or key are out of bounds.
    """

    id: str
    owner: PrincipalId
    kind: KeyKind
    public_key: str
    name: str
    added_at: datetime
    removed_at: datetime | None = None
    declared: bool = False
    sign_count: int = 0

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > MAX_NAME or not self.name.isprintable():
            raise InvalidError(f"a key's name is 1 to {MAX_NAME} printable characters")
        if len(self.public_key) > MAX_PUBLIC_KEY or not self.public_key.isascii():
            raise InvalidError(f"a public key is at most {MAX_PUBLIC_KEY} ASCII characters")

    @property
    def in_use(self) -> bool:
        """Whether it may sign now."""
        return self.removed_at is None

    def counts_for(self, moment: datetime) -> bool:
        """Say whether what it signed at ``moment`` counts now."""
        return self.in_use and self.added_at <= moment

    def removed(self, at: datetime) -> ApproverKey:
        """Return it as removed.

        Raises:
            ConflictError: when it is removed already.
        """
        if not self.in_use:
            raise ConflictError(f"key {self.id} is removed already")
        return replace(self, removed_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChallenge:
    """What the holder of a new key signs once to show that they hold it.

    Attributes:
        text: nobody can guess it; for WebAuthn its ASCII bytes are the challenge.
    """

    owner: PrincipalId
    kind: KeyKind
    text: str
    expires_at: datetime


def fingerprint_of(data: bytes) -> str:
    """Return the id of the key with this wire form or credential id."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
