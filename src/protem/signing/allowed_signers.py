"""A list of approvers' keys kept outside the control plane, in the form of ``allowed_signers``.

Here: reading the file (ALLOWED SIGNERS of ssh-keygen(1)), a key a line: ``ISSUER|SUBJECT``, then
the public key: ``local|omar ssh-ed25519 AAAA...``. A WebAuthn key is the line that the list of keys
gives: ``local|omar webauthn RP-ID CREDENTIAL-ID COSE-KEY``. Not here: whose keys ought to be in it.

Invariants: a line that is not understood whole is refused; options too, but for
``namespaces="approval@protem.dev"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from protem.domain.approval_signatures import APPROVAL_NAMESPACE
from protem.domain.approver_keys import ApproverKey, KeyKind, fingerprint_of
from protem.domain.errors import InvalidError
from protem.domain.principals import PrincipalId
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Credential, WebauthnError

_OPTION = f'namespaces="{APPROVAL_NAMESPACE}"'
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def read_allowed_signers(text: str) -> Mapping[str, ApproverKey]:
    """Return the keys of the file by id.

    Raises:
        InvalidError: naming the first line that cannot be taken.
    """
    keys: dict[str, ApproverKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            key = _key(stripped)
        except (InvalidError, WebauthnError) as error:
            raise InvalidError(f"line {number} of the approvers' keys: {error}") from None
        if keys.setdefault(key.id, key).owner != key.owner:
            raise InvalidError(f"line {number} of the approvers' keys: the key is another person's")
    return keys


def _key(line: str) -> ApproverKey:
    owner, _, rest = line.partition(" ")
    rest = rest.strip().removeprefix(_OPTION).strip()
    if rest.startswith("webauthn "):
        credential = Credential.from_text(rest)
        key_id, kind, text = fingerprint_of(credential.credential_id), KeyKind.WEBAUTHN, rest
    else:
        read = SignatureChecker().ssh_key(rest)
        key_id, kind, text = read.id, read.kind, read.text
    return ApproverKey(
        id=key_id,
        owner=PrincipalId.parse(owner),
        kind=kind,
        public_key=text,
        name="outside",
        added_at=_ALWAYS,
    )
