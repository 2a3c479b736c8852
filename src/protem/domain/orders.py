"""What a connector is told, and what it answers: self-contained, so that it may run elsewhere.

Here: the order with its approvals, the public half of the client's credential, the receipt. Not
here: signing (a port) and what a connector does with it.

Invariants:
- An order holds everything needed to check and to act: a connector never reads our store.
- A public half is useless for logging in (law 7); a receipt holds no secret either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from protem.domain import canonical_json
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import format_instant, parse_instant
from protem.domain.principals import PrincipalId
from protem.domain.scopes import Scope

FORMAT = "protem.dev/order/v1"
MOST_CLOCK_SKEW = timedelta(seconds=5)
"""How far a target's clock may be behind ours. One that is further behind an order refuses it; what
a late call could do by such a clock is waited for, before it is called impossible."""
MAX_PUBLIC_HALF = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicHalf:
    """The half of the client's credential that may be known: a verifier, a public key, a CSR.

    Attributes:
        form: for example ``scram-sha-256``; the connector checks the value's grammar.
    """

    form: str
    value: str

    def __post_init__(self) -> None:
        if not self.value or len(self.value) > MAX_PUBLIC_HALF or not self.value.isascii():
            raise InvalidError("a public half is 1 to 16384 ASCII characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a connector says that it made.

    Attributes:
        name_at_target: derives from the grant id (law 1).
        login: facts for the client's tool, by name: ``host``, ``port``, ``dbname``, ``user``.
    """

    name_at_target: str
    login: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One grant to be made true at one target until ``expires_at``.

    Attributes:
        issued_at: when this order was signed; a target whose clock is far from it refuses.
        provision_by: a target refuses the order from then on, by its own clock, so that a late or
            doubled call makes nothing after others have gone on without it.
        request_digest: of the revision that was decided on and approved.
        approvals: canonical approvals with their signatures, so that a gate can check them itself.
        decision: the canonical decision.
        request: the canonical request whose digest was signed; only with signed approvals, so that
            whoever checks these sees that the order grants what they are of.
    """

    grant_id: GrantId
    target: TargetName
    principal: PrincipalId
    scope: Scope
    expires_at: datetime
    issued_at: datetime
    provision_by: datetime
    request_digest: str
    decision: Mapping[str, canonical_json.JsonValue] = field(default_factory=dict)
    approvals: tuple[Mapping[str, canonical_json.JsonValue], ...] = ()
    request: Mapping[str, canonical_json.JsonValue] | None = None

    def to_json(self) -> dict[str, canonical_json.JsonValue]:
        """Return the form whose canonical bytes are signed."""
        form: dict[str, canonical_json.JsonValue] = {
            "format": FORMAT,
            "id": self.grant_id,
            "target": self.target,
            "principal": str(self.principal),
            "scope": self.scope.to_json(),
            "expires_at": format_instant(self.expires_at),
            "issued_at": format_instant(self.issued_at),
            "provision_by": format_instant(self.provision_by),
            "request_digest": self.request_digest,
            "decision": self.decision,
            "approvals": list(self.approvals),
        }
        if self.request is not None:
            form["request"] = self.request
        return form

    def canonical_bytes(self) -> bytes:
        """Return the bytes that are signed."""
        return canonical_json.encode(self.to_json())

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Order:
        """Read ``to_json`` back.

        Raises:
            InvalidError: when it is not an order of this format.
        """
        if form.get("format") != FORMAT:
            raise InvalidError(f"not an order of format {FORMAT}")
        try:
            return cls(
                grant_id=GrantId(form["id"]),
                target=TargetName(form["target"]),
                principal=PrincipalId.parse(form["principal"]),
                scope=Scope.from_json(form["scope"]),
                expires_at=parse_instant(form["expires_at"]),
                issued_at=parse_instant(form["issued_at"]),
                provision_by=parse_instant(form["provision_by"]),
                request_digest=form["request_digest"],
                decision=form["decision"],
                approvals=tuple(form["approvals"]),
                request=form.get("request"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidError("an order lacks a field or has one of the wrong type") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order and the control plane's Ed25519 signature over its canonical bytes."""

    order: Order
    key_id: str
    signature: bytes
