"""Grants to rows and back.

Here: one function each way, in the column order of ``schema.grants``. Not here: statements.

Invariants: what was stored comes back equal, but for ``last_error``: no text of a target, however
broken, may keep a grant from being saved, so what no database can hold is replaced.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from protem.domain import canonical_json
from protem.domain.grants import EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.orders import Order, PublicHalf, Receipt, SignedOrder
from protem.domain.principals import PrincipalId
from protem.storage.moments import (
    from_length,
    from_moment,
    from_optional,
    to_length,
    to_moment,
    to_optional,
)
from protem.storage.session import Row


def to_row(grant: Grant) -> dict[str, Any]:
    """Return the values of the grant's columns by name."""
    return {
        "id": grant.id,
        "version": grant.version,
        "state": grant.state,
        "revision": grant.revision,
        "proposed_revision": grant.proposed_revision,
        "principal": str(grant.principal),
        "target": grant.target,
        "duration": from_length(grant.duration),
        "requested_at": from_moment(grant.requested_at),
        "lapses_at": from_moment(grant.lapses_at),
        "due_at": from_optional(grant.due_at),
        "activated_at": from_optional(grant.activated_at),
        "expires_at": from_optional(grant.expires_at),
        "applied_until": from_optional(grant.applied_until),
        "provisioned_at": from_optional(grant.provisioned_at),
        "ended_at": from_optional(grant.ended_at),
        "end_cause": grant.end_cause,
        "public_half": _from_public_half(grant.public_half),
        "signed_order": _from_order(grant.order),
        "receipt": _from_receipt(grant.receipt),
        "unsettled_until": from_optional(grant.unsettled_until),
        "attempts": grant.attempts,
        "last_error": _storable(grant.last_error),
    }


def to_grant(row: Row) -> Grant:
    """Read a row back."""
    (
        grant_id,
        version,
        state,
        revision,
        proposed_revision,
        principal,
        target,
        duration,
        requested_at,
        lapses_at,
        due_at,
        activated_at,
        expires_at,
        applied_until,
        provisioned_at,
        ended_at,
        end_cause,
        public_half,
        signed_order,
        receipt,
        unsettled_until,
        attempts,
        last_error,
    ) = row
    length: timedelta = to_length(duration)
    return Grant(
        id=GrantId(grant_id),
        version=version,
        state=GrantState(state),
        revision=revision,
        proposed_revision=proposed_revision,
        principal=PrincipalId.parse(principal),
        target=TargetName(target),
        duration=length,
        requested_at=to_moment(requested_at),
        lapses_at=to_moment(lapses_at),
        due_at=to_optional(due_at),
        activated_at=to_optional(activated_at),
        expires_at=to_optional(expires_at),
        applied_until=to_optional(applied_until),
        provisioned_at=to_optional(provisioned_at),
        ended_at=to_optional(ended_at),
        end_cause=None if end_cause is None else EndCause(end_cause),
        public_half=_to_public_half(public_half),
        order=_to_order(signed_order),
        receipt=_to_receipt(receipt),
        unsettled_until=to_optional(unsettled_until),
        attempts=attempts,
        last_error=last_error,
    )


def _storable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _from_public_half(half: PublicHalf | None) -> str | None:
    return None if half is None else json.dumps([half.form, half.value])


def _to_public_half(text: str | None) -> PublicHalf | None:
    if text is None:
        return None
    form, value = json.loads(text)
    return PublicHalf(form=form, value=value)


def _from_receipt(receipt: Receipt | None) -> str | None:
    if receipt is None:
        return None
    return json.dumps([receipt.name_at_target, dict(receipt.login)])


def _to_receipt(text: str | None) -> Receipt | None:
    if text is None:
        return None
    name, login = json.loads(text)
    return Receipt(name_at_target=name, login=login)


def _from_order(order: SignedOrder | None) -> str | None:
    if order is None:
        return None
    return canonical_json.encode(
        {
            "order": order.order.to_json(),
            "key_id": order.key_id,
            "signature": order.signature.hex(),
        }
    ).decode()


def _to_order(text: str | None) -> SignedOrder | None:
    if text is None:
        return None
    form = json.loads(text)
    return SignedOrder(
        order=Order.from_json(form["order"]),
        key_id=form["key_id"],
        signature=bytes.fromhex(form["signature"]),
    )
