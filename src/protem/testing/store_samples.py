"""Ready-made values for tests of anything that stores: grants in every state, revisions, verdicts.

Here: builders with sensible defaults. Not here: randomness or the clock; names count up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from protem.domain import audit_events, grants
from protem.domain.approvals import Approval, Verdict
from protem.domain.commands import Command
from protem.domain.grants import EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.orders import Order, PublicHalf, Receipt, SignedOrder
from protem.domain.plans import Finding, Plan, Trait
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege, Scope
from protem.ports.store import Store

START = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANNA = PrincipalId(issuer="local", subject="anna")
BEN = PrincipalId(issuer="local", subject="ben")
ORDERS_DB = TargetName("orders-db")
TABLE = ("shop", "orders")
SCOPE = Scope(
    [
        Privilege(kind="database", path=("shop",), action="CONNECT"),
        Privilege(kind="table", path=TABLE, action="SELECT", part="id"),
        Privilege(kind="table", path=TABLE, action="SELECT", part="status"),
    ]
)

HOSTILE = "'; drop table grants; -- \"\n\r\t\u202e\u2066\ufeff\U0001f4a5" + "x" * 1_900
HASH = b"\x00" * 32
EVENT = audit_events.signed_in(ANNA, START)


class Roll(Exception):  # noqa: N818  # a signal, not an error
    """Raised inside a transaction to undo it."""


def grant_id(number: int) -> GrantId:
    """Return the ``number``th id; ids sort as their numbers do."""
    return GrantId(f"0{number:025d}")


def pending(number: int = 1, *, principal: PrincipalId = ANNA, due: datetime = START) -> Grant:
    """Return a new grant that lapses at ``due``."""
    return Grant(
        id=grant_id(number),
        version=1,
        state=GrantState.PENDING,
        revision=1,
        principal=principal,
        target=ORDERS_DB,
        duration=15 * MINUTE,
        requested_at=START - 60 * MINUTE,
        lapses_at=due,
        due_at=due,
    )


def revision(number: int = 1, *, of: int = 1, reason: str = "INC-421") -> RequestRevision:
    """Return revision ``number`` of the ``of``th grant, with every field in use."""
    plan = Plan(
        scope=SCOPE,
        held_by_everyone=frozenset({Privilege(kind="schema", path=("shop",), action="USAGE")}),
        traits=frozenset({Trait.WRITES, Trait.UNSEEN_CODE}),
        findings=(Finding(code="trigger", message="a trigger runs"),),
        statements=("select id from shop.orders",),
    )
    return RequestRevision(
        grant_id=grant_id(of),
        number=number,
        principal=ANNA,
        target=ORDERS_DB,
        command=Command(argv=("psql", "-f", "-"), inputs={"-": "select id from shop.orders"}),
        plan=plan,
        duration=15 * MINUTE,
        reason=reason,
        ticket="INC-421",
    )


def approval(
    of: RequestRevision, *, reviewer: PrincipalId = BEN, at: datetime = START, comment: str = "ok"
) -> Approval:
    """Return a yes to ``of``."""
    return Approval(
        grant_id=of.grant_id,
        revision=of.number,
        digest=of.digest,
        reviewer=reviewer,
        verdict=Verdict.APPROVE,
        at=at,
        comment=comment,
    )


def order_for(grant: Grant) -> SignedOrder:
    """Return a signed order that fits an activated grant."""
    assert grant.expires_at is not None
    order = Order(
        grant_id=grant.id,
        target=grant.target,
        principal=grant.principal,
        scope=SCOPE,
        expires_at=grant.expires_at,
        issued_at=grant.requested_at,
        provision_by=grant.expires_at,
        request_digest="sha256:" + "0" * 64,
        decision={"outcome": "allowed", "findings": []},
        approvals=({"reviewer": str(BEN), "verdict": "approve"},),
    )
    return SignedOrder(order=order, key_id="test", signature=b"\x00\xff" * 32)


def life(number: int = 1, *, at: datetime = START) -> Mapping[GrantState, tuple[Grant, ...]]:
    """Return, for each state, the versions that lead a grant there, oldest first.

    Each tuple can be stored by ``add`` of its first and ``save`` of every other.
    """
    new = pending(number, due=at + MINUTE)
    approved = grants.approve(new, lapses_at=at + MINUTE)
    half = PublicHalf(form="scram-sha-256", value="SCRAM-SHA-256$1:c2FsdA==$a:b")
    provisioning = grants.activate(approved, at=at, public_half=half)
    provisioning = grants.with_order(provisioning, order_for(provisioning))
    assert provisioning.expires_at is not None
    active = grants.provisioned(
        provisioning,
        at=at + timedelta(microseconds=1),
        receipt=Receipt(name_at_target=new.id.name_at_target, login={"port": "5432"}),
        applied_until=provisioning.expires_at,
    )
    ending = grants.begin_ending(active, at=at + MINUTE, cause=EndCause.REVOKED)
    first_try = grants.retry(ending, due_at=at + 2 * MINUTE, error="refused")
    second_try = grants.retry(first_try, due_at=at + 3 * MINUTE, error="refused")
    stuck = grants.retry(second_try, due_at=at + 4 * MINUTE, error="refused")
    upto_active = (new, approved, provisioning, active)
    upto_ending = (*upto_active, ending)
    return {
        GrantState.PENDING: (new,),
        GrantState.APPROVED: (new, approved),
        GrantState.PROVISIONING: (new, approved, provisioning),
        GrantState.ACTIVE: upto_active,
        GrantState.ENDING: upto_ending,
        GrantState.STUCK: (*upto_ending, first_try, second_try, stuck),
        GrantState.ENDED: (*upto_ending, grants.ended(ending, at=at + 2 * MINUTE)),
        GrantState.DENIED: (new, grants.deny(new, at=at)),
        GrantState.CANCELLED: (new, approved, grants.cancel(approved, at=at)),
        GrantState.LAPSED: (new, grants.lapse(new, at=at)),
    }


async def keep(store: Store, versions: Sequence[Grant]) -> Grant:
    """Store all ``versions`` of one grant, one transaction each; return the last."""
    await store.write(lambda tx: tx.grants.add(versions[0]))
    for grant in versions[1:]:
        await store.write(lambda tx, grant=grant: tx.grants.save(grant))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return versions[-1]
