"""What an order must prove about its approvals to one who does not trust who sent it.

Here: the rule for a connector that keeps its own list of approvers' keys. Not here: cryptography
(passed in), reading the list, and the control plane's signature on the order.

A control plane that someone took over can decide anything and sign any order. What it cannot do is
make an approver's signature. So, where a list is kept, an order counts only if
- it carries the request whole, whose digest is the one that was signed, and says the same;
- every approval in it is signed by a key of the list that is its reviewer's;
- these are as many people as the decision asks for, one at the least, the requester not among them.

What this does not close: who has taken over the control plane can use again what was once approved,
for its own length of time, and use it in the requester's place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from protem.domain import canonical_json
from protem.domain.approval_signatures import (
    ApprovalSignature,
    SignatureFacts,
    SignatureRefusedError,
)
from protem.domain.approver_keys import ApproverKey
from protem.domain.orders import Order

CheckSignature = Callable[[ApproverKey, ApprovalSignature, str], SignatureFacts]


def refuse_unless_approved(
    order: Order, keys: Mapping[str, ApproverKey], check: CheckSignature
) -> None:
    """Return if people whose keys are in ``keys`` (by id) signed exactly this.

    Raises:
        SignatureRefusedError: when they did not, or not enough of them.
    """
    _check_request(order)
    signers = {_signer(order, approval, keys, check) for approval in order.approvals}
    wanted = max(1, _wanted(order))
    if str(order.principal) in signers:
        raise SignatureRefusedError("the requester is among the approvers of the order")
    if len(signers) < wanted:
        raise SignatureRefusedError(
            f"the order has {len(signers)} signed approvals of different people, {wanted} are asked"
        )


def _check_request(order: Order) -> None:
    """Return if the signed request asks for what the order grants, or more time."""
    request = order.request
    if request is None or canonical_json.digest(request) != order.request_digest:
        raise SignatureRefusedError("the order does not carry the request that was approved")
    same = (
        request.get("id") == order.grant_id
        and request.get("target") == order.target
        and request.get("principal") == str(order.principal)
        and request.get("scope") == order.scope.to_json()
    )
    seconds = request.get("duration_seconds")
    if not same or not isinstance(seconds, int):
        raise SignatureRefusedError("the order grants something else than was approved")
    if order.expires_at - order.issued_at > timedelta(seconds=seconds):
        raise SignatureRefusedError("the order is for longer than was approved")


def _signer(
    order: Order,
    approval: Mapping[str, Any],
    keys: Mapping[str, ApproverKey],
    check: CheckSignature,
) -> str:
    signature = ApprovalSignature.from_text(approval.get("signature"))
    reviewer, key = approval.get("reviewer"), keys.get(signature.key_id)
    if key is None or str(key.owner) != reviewer:
        raise SignatureRefusedError(
            f"{ascii(reviewer)[:80]} approved with a key that is not on this target's list"
        )
    if approval.get("verdict") != "approve" or approval.get("digest") != order.request_digest:
        raise SignatureRefusedError("an approval in the order is of something else")
    check(key, signature, order.request_digest)
    return str(key.owner)


def _wanted(order: Order) -> int:
    needs = order.decision.get("approvals")
    counts = (
        [need.get("count") for need in needs or () if isinstance(need, Mapping)]
        if isinstance(needs, list | tuple)
        else []
    )
    return sum(count for count in counts if isinstance(count, int))
