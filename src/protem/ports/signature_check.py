"""Checking approvers' signatures as a port: key material and ceremonies stay behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from protem.domain.approval_signatures import ApprovalSignature, SignatureFacts
from protem.domain.approver_keys import ApproverKey, KeyKind
from protem.domain.principals import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that is well formed and of a kind that we take.

    Attributes:
        id: as ``ApproverKey.id``.
        text: as ``ApproverKey.public_key``: one spelling for each key.
        comment: what stood after it.
        sign_count: the authenticator's counter at registration.
    """

    id: str
    kind: KeyKind
    text: str
    comment: str = ""
    sign_count: int = 0


class SignatureCheck(Protocol):
    """Reads keys and signatures from outside; whatever they are, it answers or refuses."""

    def ssh_key(self, line: str) -> PublicKey:
        """Read a line of ``authorized_keys`` form without options.

        Raises:
            InvalidError: when it is no key, or one of a kind or strength that we do not take.
        """
        ...

    def read(self, kind: KeyKind, offered: object) -> ApprovalSignature:
        """Return a signature as a client sends it, in the form that is kept; checks its shape only.

        Args:
            kind: what it says it is.
            offered: for ssh the armoured text, for WebAuthn an ``AuthenticationResponseJSON``.

        Raises:
            SignatureRefusedError: when it is not of that shape.
        """
        ...

    def check(self, key: ApproverKey, signature: ApprovalSignature, digest: str) -> SignatureFacts:
        """Return what ``signature`` tells if ``key`` made it over ``digest``, with a person there.

        Whether the key counts now is the caller's to know.

        Raises:
            SignatureRefusedError: when it does not hold.
        """
        ...

    def check_possession(self, key: PublicKey, challenge: str, signature: str) -> None:
        """Return if the ssh key ``key`` signed the registration's ``challenge``.

        Raises:
            SignatureRefusedError: when it did not.
        """
        ...

    def creation_options(
        self, principal: Principal, challenge: str, known: Sequence[ApproverKey]
    ) -> Mapping[str, Any]:
        """Return ``PublicKeyCredentialCreationOptions`` as JSON for a further key of a person."""
        ...

    def created(self, credential: object, challenge: str) -> PublicKey:
        """Return the key that a ``RegistrationResponseJSON`` to these options made.

        Raises:
            SignatureRefusedError: when it is malformed, or of another challenge, site or origin.
        """
        ...

    def request_options(
        self, digest: str, keys: Sequence[ApproverKey], *, user_verified: bool
    ) -> Mapping[str, Any]:
        """Return ``PublicKeyCredentialRequestOptions`` as JSON: the digest is the challenge."""
        ...
