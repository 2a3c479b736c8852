"""A whole control plane of fakes around the real use cases, the real policy engine and rules."""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.domain.commands import Command
from protem.domain.errors import UnplannableError
from protem.domain.identifiers import GroupName, ProfileName, TargetName
from protem.domain.orders import PublicHalf
from protem.domain.plans import Plan, Trait
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.scopes import Privilege, Scope
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.domain.targets import Tag, Target
from protem.policy.cedar_policy import CedarPolicy
from protem.services.plan_command import Ask
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Limits, Surroundings
from protem.signing.local_key import LocalKey
from protem.system.announcer import LocalAnnouncer
from protem.testing.counting_randomness import InsecureCountingRandomness
from protem.testing.in_memory_audit_log import InMemoryAuditLog
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.in_memory_identity import InMemoryIdentity
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.manual_clock import ManualClock

POLICY = Path(__file__).parents[3] / "src/protem/entrypoints/demo/policy"
ORDERS_DB = TargetName("orders-db")
VERIFIER = scram_verifier(Secret("x" * 32), b"0123456789abcdef", 1)
PUBLIC_HALF = PublicHalf(form="scram-sha-256", value=VERIFIER)


def column(table, name, action="SELECT"):
    """A privilege on one column of the shop."""
    return Privilege(kind="table", path=("shop", table), action=action, part=name)


SCOPES = {
    "orders": Plan(scope=Scope([column("orders", "id"), column("orders", "status")])),
    "emails": Plan(scope=Scope([column("customers", "email")])),
    "update": Plan(
        scope=Scope([column("orders", "status", "UPDATE")]), traits=frozenset({Trait.WRITES})
    ),
}


class ScopesByStatement:
    """Plans ``psql -c NAME`` as the scope of that name."""

    async def plan(self, command):
        """Return the fixed plan."""
        if command.argv[-1] not in SCOPES:
            raise UnplannableError("no scope can be derived from this")
        return SCOPES[command.argv[-1]]

    async def close(self):
        """Nothing to let go of."""


def person(name, *groups, kind=PrincipalKind.PERSON, acts_for=None):
    """A principal of the local issuer."""
    return Principal(
        id=PrincipalId(issuer="local", subject=name),
        display=name,
        kind=kind,
        groups=frozenset(map(GroupName, groups)),
        acts_for=acts_for,
    )


@dataclass(slots=True)
class Company:
    """Everything a test touches."""

    around: Surroundings
    clock: ManualClock
    store: InMemoryStore
    identity: InMemoryIdentity
    connector: InMemoryConnector
    reconciler: ReconcileGrants
    audit_log: InMemoryAuditLog
    dana: Principal  # an engineer on call
    eve: Principal  # an engineer
    omar: Principal  # an owner of the database

    @property
    def target(self):
        """What exists at the target."""
        return self.connector.target

    def ask(self, what, *, minutes=15, reason="INC-421", ticket="INC-421", profile=None):
        """What a user would type."""
        return Ask(
            target=ORDERS_DB,
            command=Command(argv=("psql",) if profile else ("psql", "-c", what)),
            duration=timedelta(minutes=minutes),
            reason=reason,
            ticket=ticket,
            profile=profile and ProfileName(profile),
        )

    async def stored(self, grant_id):
        """The grant as stored."""
        return await self.store.read(lambda view: view.grants.get(grant_id))

    async def entries(self):
        """The audit log so far, as parsed JSON."""
        rows = await self.store.read(lambda view: view.audit.entries(start=0, limit=10_000))
        return [json.loads(row.body) for row in rows]


@pytest.fixture
def company():
    """A company with one database and three people."""
    clock = ManualClock()
    dana = person("dana", "engineers", "on-call")
    eve = person("eve", "engineers")
    omar = person("omar", "db-owners")
    identity = InMemoryIdentity(dana, eve, omar)
    connector = InMemoryConnector(clock, name=ORDERS_DB)
    catalogue = InMemoryCatalogue()
    catalogue.declare(
        Target(
            name=ORDERS_DB,
            scheme="postgresql",
            labels={"env": "prod"},
            tags=(Tag(name="pii", path=("shop", "customers"), part="email"),),
            profiles={ProfileName("read"): SCOPES["orders"].scope},
        ),
        connector,
        ScopesByStatement(),
    )
    store = InMemoryStore()
    audit_log = InMemoryAuditLog(store)
    around = None
    reconciler = ReconcileGrants(lambda: around, owner="this-process")
    around = Surroundings(
        store=store,
        policy=CedarPolicy.load(POLICY),
        catalogue=catalogue,
        identity=identity,
        clock=clock,
        randomness=InsecureCountingRandomness(),
        audit_log=audit_log,
        order_signer=LocalKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32)),
        announcer=LocalAnnouncer(),
        work_queue=reconciler,
        limits=Limits(),
    )
    return Company(
        around=around,
        clock=clock,
        store=store,
        identity=identity,
        connector=connector,
        reconciler=reconciler,
        audit_log=audit_log,
        dana=dana,
        eve=eve,
        omar=omar,
    )


async def settle():
    """Let other tasks run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def eventually(is_so):
    """Wait until something is so, for some seconds at most."""
    for _ in range(5_000):
        if is_so():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it never came")
