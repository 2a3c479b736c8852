"""What an order must prove before anything is done about it.

Here: signature, target, public half. Not here: the deadline; the target's own clock judges it, in
the transaction that makes the role.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protem.domain.errors import DeniedError, InvalidError, RefusedError
from protem.domain.identifiers import TargetName
from protem.domain.orders import Order, PublicHalf, SignedOrder
from protem.domain.scram import FORM, check_scram_verifier


def check_order(
    signed: SignedOrder,
    target: TargetName | None,
    key: bytes | None,
    check_approvals: Callable[[Order], None] | None = None,
) -> Order:
    """Return the order if it is for ``target`` and, where ``key`` is given, signed with it.

    Args:
        signed: as it came.
        target: what this is.
        key: the control plane's.
        check_approvals: raises ``DeniedError`` unless approvers signed what the order grants.

    Raises:
        RefusedError: when it is not.
    """
    if key is not None:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(
                signed.signature, signed.order.canonical_bytes()
            )
        except InvalidSignature:
            raise RefusedError("the order's signature is not the control plane's") from None
    if target is not None and signed.order.target != target:
        raise RefusedError(f"the order is for {signed.order.target}, this target is {target}")
    if check_approvals is not None:
        try:
            check_approvals(signed.order)
        except DeniedError as error:
            raise RefusedError(f"this target checks approvals itself: {error.message}") from None
    return signed.order


def check_public_half(public_half: PublicHalf, min_iterations: int) -> str:
    """Return the verifier.

    Raises:
        RefusedError: for any other form, and above all for a plain password.
    """
    if public_half.form != FORM:
        raise RefusedError(f"a PostgreSQL target takes a public half of form {FORM}")
    try:
        check_scram_verifier(public_half.value, min_iterations=min_iterations)
    except InvalidError as error:
        raise RefusedError(error.message) from None
    return public_half.value
