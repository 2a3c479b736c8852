"""A control plane on the fakes, with people of every sort, for tests of the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import httpx2

from protem.bootstrap.background_loops import BackgroundLoops
from protem.bootstrap.plane import ControlPlane
from protem.domain.bearer_tokens import fingerprint
from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction
from protem.domain.errors import NotFoundError
from protem.domain.evidence import Rehearsal
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.plans import Plan, Trait
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.scopes import Privilege, Scope
from protem.domain.secret import Secret
from protem.domain.targets import Target
from protem.entrypoints.http_api.app import create_app
from protem.identity.local import LocalIdentity
from protem.ports.store import Account, Transaction
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Surroundings
from protem.signing.local_key import LocalKey
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site
from protem.system.announcer import LocalAnnouncer
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.in_memory_policy import FixedRule, InMemoryPolicy
from protem.testing.in_memory_store import InMemoryStore

TARGET = TargetName("orders-db")
READ = ("psql", "-c", "select id from shop.orders")
WRITE = ("psql", "-c", "delete from shop.orders")
FORBIDDEN = ("psql", "-c", "select email from shop.customers")
VERIFIER = (
    "SCRAM-SHA-256$1:AAAAAAAAAAAAAAAAAAAAAA==$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)
HALF = {"form": "scram-sha-256", "value": VERIFIER}
PEOPLE = {
    "requester": ["engineers"],
    "stranger": [],
    "reviewer": ["owners"],
    "auditor": ["auditors"],
    "admin": ["admins"],
}


def local(name: str) -> PrincipalId:
    """Return a local identity."""
    return PrincipalId(issuer="local", subject=name)


def _in(group: str) -> Any:
    return lambda question: GroupName(group) in question.principal.groups


def _rules() -> list[FixedRule]:
    owners = ApprovalRequirement(count=1, groups=frozenset({GroupName("owners")}), rule="two-eyes")
    engineer, action = _in("engineers"), PolicyAction
    return [
        FixedRule(
            id="writes-need-one",
            action=action.REQUEST,
            outcome=Outcome.NEEDS_APPROVAL,
            when=lambda q: engineer(q) and Trait.WRITES in q.traits,
            approvals=(owners,),
        ),
        FixedRule(
            id="no-mail",
            action=action.REQUEST,
            outcome=Outcome.DENIED,
            when=lambda q: any(p.part == "email" for p in q.scope.privileges),
        ),
        FixedRule(id="read", action=action.REQUEST, outcome=Outcome.ALLOWED, when=engineer),
        FixedRule(id="glass", action=action.BREAK_GLASS, outcome=Outcome.ALLOWED, when=engineer),
        FixedRule(id="longer", action=action.EXTEND, outcome=Outcome.ALLOWED, when=engineer),
        FixedRule(id="review", action=action.APPROVE, outcome=Outcome.ALLOWED, when=_in("owners")),
        FixedRule(id="revoke", action=action.REVOKE, outcome=Outcome.ALLOWED, when=_in("owners")),
        FixedRule(id="audit", action=action.AUDIT, outcome=Outcome.ALLOWED, when=_in("auditors")),
        FixedRule(id="adm", action=action.ADMINISTER, outcome=Outcome.ALLOWED, when=_in("admins")),
    ]


def _plans() -> dict[tuple[str, ...], Plan]:
    def scope(action: str, column: str | None = None) -> Scope:
        path = ("shop", "customers" if column == "email" else "orders")
        return Scope([Privilege(kind="table", path=path, action=action, part=column)])

    return {
        READ: Plan(scope=scope("SELECT", "id")),
        WRITE: Plan(
            scope=scope("DELETE"),
            traits=frozenset({Trait.WRITES}),
            rehearsal=Rehearsal(statement=WRITE[2]),
        ),
        FORBIDDEN: Plan(scope=scope("SELECT", "email")),
    }


class _NoProofs:
    """A published log with nothing in it."""

    verifier_key = "test+00000000+AA=="

    def checkpoint(self) -> str:
        raise NotFoundError("no checkpoint was published yet")

    def inclusion_proof(self, index: int) -> list[bytes]:
        raise NotFoundError(f"entry {index} is not published yet")


@dataclass
class Stage:
    """A running control plane and its people."""

    plane: ControlPlane
    app: Any
    store: InMemoryStore
    connector: InMemoryConnector
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, who: str | None = None, app: Any = None) -> httpx2.AsyncClient:
        """Return a client of that person, or of nobody."""
        headers = {} if who is None else {"authorization": f"Bearer {self.tokens[who]}"}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app or self.app, raise_app_exceptions=False),
            base_url="http://protem.test",
            headers=headers,
            timeout=20,
        )

    async def ask(self, argv: tuple[str, ...] = READ, who: str = "requester", **more: Any) -> Any:
        """Ask, and return the response."""
        key = more.pop("key", None)
        query = {"wait": more.pop("wait")} if "wait" in more else {}
        async with self.client(who) as client:
            return await client.post(
                "/v1/requests",
                params=query,
                json=ask_body(argv, **more),
                headers={} if key is None else {"idempotency-key": key},
            )

    async def call(self, who: str | None, method: str, path: str, **more: Any) -> Any:
        """Make one call."""
        async with self.client(who) as client:
            return await client.request(method, path, **more)


def ask_body(argv: tuple[str, ...] = READ, **more: Any) -> dict[str, Any]:
    """Return an ``Ask``."""
    return {
        "target": TARGET,
        "command": {"argv": list(argv)},
        "duration_seconds": 600,
        **more,
    }


def _people(stage: Stage, transaction: Transaction) -> None:
    until = SystemClock().now() + timedelta(hours=1)
    principals = [
        Principal(id=local(name), display=name, groups=frozenset(map(GroupName, groups)))
        for name, groups in PEOPLE.items()
    ]
    principals += [
        Principal(
            id=local(f"{person}-agent"),
            display="agent",
            kind=PrincipalKind.AGENT,
            groups=frozenset(map(GroupName, PEOPLE[person])),
            acts_for=local(person),
        )
        for person in ("requester", "reviewer")
    ]
    for principal in principals:
        token = SystemRandomness().token()
        stage.tokens[principal.id.subject] = token.reveal()
        transaction.accounts.put(Account(principal=principal))
        transaction.accounts.add_token(
            token_hash=fingerprint(Secret(token.reveal())),
            owner=principal.id,
            expires_at=until,
            single_use=False,
        )


def build(
    store: Any = None,
    identity: Any = None,
    sign_in: Any = (),
    workloads: Any = None,
    **around_it: Any,
) -> Stage:
    """Return a control plane that does not run yet; ``sign_in`` is providers with their rules."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    store = store or InMemoryStore()
    clock = around_it.pop("clock", None) or SystemClock()
    if identity is None:
        identity = partial(LocalIdentity, issuers=frozenset(one.issuer for one, _ in sign_in))
    connector = InMemoryConnector(clock, name=TARGET)
    catalogue = InMemoryCatalogue()
    target = Target(name=TARGET, scheme="postgresql", labels={"env": "prod"})
    catalogue.declare(target, connector, InMemoryPlanner(_plans()))
    reconciler = ReconcileGrants(lambda: around, owner="test")
    around = Surroundings(
        store=store,
        policy=InMemoryPolicy(*_rules()),
        catalogue=catalogue,
        identity=identity(store, clock),
        clock=clock,
        randomness=SystemRandomness(),
        audit_log=InMemoryAuditLog(store),
        order_signer=LocalKey(Ed25519PrivateKey.generate()),
        announcer=LocalAnnouncer(),
        work_queue=reconciler,
        signature_check=SignatureChecker(Site(rp_id="localhost")),
        **around_it,
    )
    loops = BackgroundLoops(around=around, reconciler=reconciler)
    named = {provider.name: (provider, rules) for provider, rules in sign_in}
    plane = ControlPlane(
        around=around, loops=loops, proofs=_NoProofs(), sign_in=named, workloads=workloads
    )
    return Stage(plane=plane, app=create_app(plane), store=store, connector=connector)


@asynccontextmanager
async def running(
    sign_in: Any = (), identity: Any = None, workloads: Any = None, **around_it: Any
) -> AsyncIterator[Stage]:
    """Run a control plane with its people."""
    stage = build(sign_in=sign_in, identity=identity, workloads=workloads, **around_it)
    await stage.store.write(lambda transaction: _people(stage, transaction))
    try:
        async with stage.plane.running():
            yield stage
    finally:
        for provider, _ in sign_in:
            await provider.close()
