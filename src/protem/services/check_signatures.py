"""Is this approval signed by a key that counts now, and strongly enough?

Here: whose key it must be, and when it counts; the same answer for a review and for an activation.
Not here: formats and cryptography (the signature port).

Invariants:
- A signature counts only by a key that is its reviewer's own, in use now and since before the
  approval was given.
- What cannot be checked does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain.approval_signatures import (
    ApprovalSignature,
    SignatureFacts,
    SignatureRefusedError,
    SignatureRequiredError,
)
from protem.domain.approvals import Approval
from protem.domain.approver_keys import ApproverKey, KeyKind
from protem.domain.decisions import ApprovalRequirement, Signing
from protem.domain.errors import NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal, PrincipalId
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSignature:
    """A signature as a client sent it.

    Attributes:
        content: for ssh the armoured text, for WebAuthn an ``AuthenticationResponseJSON``.
    """

    kind: KeyKind
    content: object


def signing_of(facts: SignatureFacts) -> Signing:
    """Return how strongly a signature with these facts signs."""
    return Signing.USER_VERIFIED if facts.user_verified else Signing.REQUIRED


def accept(
    around: Surroundings,
    transaction: Transaction,
    reviewer: Principal,
    offered: OfferedSignature,
    *,
    digest: str,
    at: datetime,
) -> tuple[ApprovalSignature, Signing]:
    """Return a reviewer's signature over ``digest``, checked now, and note its counter.

    Raises:
        SignatureRefusedError: when it does not hold, is by a key that is not the reviewer's or not
            in use, or its counter went back as that of a copied key would.
    """
    if around.signature_check is None:
        raise SignatureRefusedError("this server checks no signatures")
    signature = around.signature_check.read(offered.kind, offered.content)
    key = _key_of(transaction, signature, reviewer.id, at)
    facts = around.signature_check.check(key, signature, digest)
    if (facts.sign_count or key.sign_count) and facts.sign_count <= key.sign_count:
        raise SignatureRefusedError(
            f"the counter of key {key.id} did not rise; it may have been copied",
            next_step=f"protem key rm {key.id}",
        )
    if facts.sign_count:
        transaction.approver_keys.put(replace(key, sign_count=facts.sign_count))
    return signature, signing_of(facts)


def signed_now(
    around: Surroundings, transaction: Transaction, approvals: Iterable[Approval]
) -> Mapping[PrincipalId, Signing]:
    """Return, by person, how those of ``approvals`` are signed whose signature counts now."""
    checker, found = around.signature_check, {}
    for approval in approvals:
        if checker is None or approval.signature is None:
            continue
        try:
            signature = ApprovalSignature.from_text(approval.signature)
            key = _key_of(transaction, signature, approval.reviewer, approval.at)
            found[approval.person] = signing_of(checker.check(key, signature, approval.digest))
        except SignatureRefusedError:
            continue
    return found


def refuse_unless_signed(
    needs: Sequence[ApprovalRequirement],
    reviewer: Principal,
    signed: Signing | None,
    grant_id: GrantId,
) -> None:
    """Return unless a place that this reviewer may fill asks for a stronger signature.

    Who could fill a signed place signs, even if another place asks for none: the first yes is the
    only one, and it must be able to count.

    Raises:
        SignatureRequiredError: when one does.
    """
    for need in needs:
        if not need.admits(reviewer) or need.is_signed_enough(signed):
            continue
        strength = (
            "signed with a key that checks who you are (PIN or biometry)"
            if need.signed is Signing.USER_VERIFIED
            else "signed with a key of yours"
        )
        raise SignatureRequiredError(
            f"rule {need.rule} asks that this approval be {strength}",
            next_step=f"protem request approve {grant_id} --sign",
        )


def _key_of(
    transaction: Transaction, signature: ApprovalSignature, owner: PrincipalId, at: datetime
) -> ApproverKey:
    """Return the key that made it, if it is the owner's and counted at ``at`` and counts now."""
    try:
        key = transaction.approver_keys.get(signature.key_id)
    except NotFoundError:
        key = None
    if key is None or key.owner != owner or not key.counts_for(at):
        raise SignatureRefusedError(
            f"the key {signature.key_id[:80]!a} is not one of yours in use",
            next_step="protem key ls",
        )
    return key
