"""The life cycle holds through any store under any order of calls, against a model.

The machine drives the transitions of ``protem.domain.grants`` at random through a store, writes an
audit event with each, and checks every promise after every step. Both stores are driven.
"""

import asyncio
import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from protem.domain import grants
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import ConflictError, ProtemError
from protem.domain.grants import EDGES, TERMINAL, EndCause, GrantState
from protem.domain.orders import PublicHalf, Receipt
from protem.storage.sqlite_store import SqliteStore
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.store_samples import MINUTE, START, grant_id, order_for, pending

HALF = PublicHalf(form="scram-sha-256", value="x")


def _activate(grant, at):
    active = grants.activate(grant, at=at, public_half=HALF)
    return grants.with_order(active, order_for(active))


CHANGES = {
    "approve": lambda grant, at: grants.approve(grant, lapses_at=at + 9 * MINUTE),
    "reopen": lambda grant, at: grants.reopen(
        grant, revision=grant.revision + 1, duration=20 * MINUTE, lapses_at=at + 9 * MINUTE
    ),
    "take_offer": lambda grant, at: grants.reopen(
        grant,
        revision=grant.revision + 2,
        duration=max(MINUTE, grant.duration - MINUTE),
        lapses_at=at + 9 * MINUTE,
    ),
    "note": lambda grant, _: grants.note(grant),
    "deny": lambda grant, at: grants.deny(grant, at=at),
    "cancel": lambda grant, at: grants.cancel(grant, at=at),
    "lapse": lambda grant, at: grants.lapse(grant, at=at),
    "activate": _activate,
    "provisioned": lambda grant, at: grants.provisioned(
        grant, at=at, receipt=Receipt(name_at_target="x"), applied_until=grant.expires_at
    ),
    "extend": lambda grant, at: grants.extend(
        grant, at=at, revision=grant.revision + 1, duration=grant.duration + MINUTE
    ),
    "propose": lambda grant, at: grants.propose_extension(grant, at=at, revision=7),
    "refuse": lambda grant, _: grants.refuse_extension(grant),
    "begin_ending": lambda grant, at: grants.begin_ending(grant, at=at, cause=EndCause.REVOKED),
    "retry": lambda grant, at: grants.retry(
        grant, due_at=at + MINUTE, error="refused", unsettled_until=at
    ),
    "unsettle": lambda grant, at: grants.unsettle(grant, until=at + MINUTE),
    "look_again": lambda grant, at: grants.look_again(grant, due_at=at + MINUTE),
    "ended": lambda grant, at: grants.ended(grant, at=at),
}


class LifeCycle(RuleBasedStateMachine):
    """Drives one store; ``model`` is what it must hold."""

    ids = Bundle("ids")

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model, self.leases, self.expiries, self.now = {}, {}, {}, START
        self.store = self.loop.run_until_complete(self.open())

    async def open(self):
        """Return the store under test."""
        raise NotImplementedError

    def teardown(self):
        """Close what was opened."""
        self.loop.run_until_complete(self.store.close())
        self.loop.close()

    def write(self, work):
        """Run one writing transaction."""
        return self.loop.run_until_complete(self.store.write(work))

    def read(self, work):
        """Run one reading transaction."""
        return self.loop.run_until_complete(self.store.read(work))

    @initialize(target=ids, count=st.integers(1, 4))
    def begin(self, count):
        """Some grants begin."""
        for number in range(count):
            self.keep(pending(number, due=START + number * MINUTE), "add")
        return multiple(*(grant_id(number) for number in range(count)))

    def keep(self, grant, how):
        """Store a grant and its audit event in one transaction."""
        event = AuditEvent(
            kind="grant.changed",
            at=self.now,
            actor="protem",
            grant_id=grant.id,
            sequence=grant.version,
            data={"state": grant.state},
        )

        def work(transaction):
            getattr(transaction.grants, how)(grant)
            transaction.audit.append(event)

        self.write(work)
        before = self.model.get(grant.id)
        if before is not None:
            assert grant.state in EDGES[before.state] | {before.state}
            assert before.state not in TERMINAL
        self.model[grant.id] = grant

    @rule(minutes=st.integers(0, 6))
    def wait(self, minutes):
        """Time passes."""
        self.now += timedelta(minutes=minutes)

    @rule(which=ids, change=st.sampled_from(sorted(CHANGES)))
    def move(self, which, change):
        """A transition that the domain allows is stored, unless the grant is over."""
        before = self.read(lambda tx: tx.grants.get(which))
        assert before == self.model[which]
        try:
            after = CHANGES[change](before, self.now)
        except ProtemError:
            return
        assert after.version == before.version + 1
        if before.state in TERMINAL:
            with pytest.raises(ConflictError):
                self.keep(after, "save")
        else:
            self.keep(after, "save")

    @rule(which=ids, state=st.sampled_from(list(GrantState)), skip=st.integers(-1, 2))
    def forge(self, which, state, skip):
        """A change that the domain did not make is refused or is an edge of one version."""
        before = self.model[which]
        after = grants.replace(before, state=state, version=before.version + skip)
        legal = skip == 1 and state in EDGES[before.state] and before.state not in TERMINAL
        same = skip == 1 and state is before.state and before.state not in TERMINAL
        if same:
            self.keep(after, "save")
            return
        try:
            self.keep(after, "save")
        except ConflictError:
            return
        assert legal

    @rule(owner=st.sampled_from("ab"), limit=st.integers(1, 3))
    def claim(self, owner, limit):
        """Nobody claims what another leases, and only what is due is claimed."""
        until = self.now + 2 * MINUTE
        claimed = self.write(
            lambda tx: tx.work.claim(now=self.now, until=until, owner=owner, limit=limit)
        )
        free = [
            (grant.due_at, grant.id)
            for grant in self.model.values()
            if grant.due_at is not None and grant.due_at <= self.now and not self.leased(grant.id)
        ]
        assert [grant.id for grant in claimed] == [each for _, each in sorted(free)[:limit]]
        for grant in claimed:
            assert grant == self.model[grant.id]
            self.leases[grant.id] = (owner, until)

    @rule(which=ids, owner=st.sampled_from("ab"))
    def take(self, which, owner):
        """A lease is exclusive."""
        until = self.now + MINUTE
        taken = self.write(lambda tx: tx.work.take(which, now=self.now, until=until, owner=owner))
        assert taken is not self.leased(which)
        if taken:
            self.leases[which] = (owner, until)

    @rule(which=ids, owner=st.sampled_from("ab"))
    def renew(self, which, owner):
        """A lease is prolonged while it is its owner's."""
        until = self.now + 3 * MINUTE
        renewed = self.write(lambda tx: tx.work.renew(which, until=until, owner=owner))
        assert renewed is (self.leases.get(which, ("", None))[0] == owner)
        if renewed:
            self.leases[which] = (owner, until)

    @rule(which=ids, owner=st.sampled_from("ab"))
    def release(self, which, owner):
        """Only the owner's release counts."""
        released = self.write(lambda tx: tx.work.release(which, owner=owner))
        assert released is (self.leases.get(which, ("", None))[0] == owner)
        if released:
            del self.leases[which]

    def leased(self, which):
        """Whether the model holds a lease that has not run out."""
        return which in self.leases and self.leases[which][1] > self.now

    @invariant()
    def the_table_is_the_model(self):
        """Rows equal the model, terminal ones for ever."""
        stored = self.read(lambda tx: tx.grants.list(limit=100))
        assert {grant.id: grant for grant in stored} == self.model

    @invariant()
    def due_and_expiry_fit_the_state(self):
        """Due exactly until terminal; expiry absolute exactly from activation, never earlier."""
        for grant in self.read(lambda tx: tx.grants.list(limit=100)):
            assert (grant.due_at is None) is (grant.state in TERMINAL)
            assert (grant.expires_at is None) is (grant.activated_at is None)
            if grant.expires_at is not None:
                assert grant.expires_at == grant.activated_at + grant.duration
                assert grant.expires_at >= self.expiries.get(grant.id, grant.expires_at)
                self.expiries[grant.id] = grant.expires_at

    @invariant()
    def next_due_is_what_the_model_says(self):
        """The next moment of work is the earliest, counting leases."""
        moments = [
            max(grant.due_at, self.leases.get(grant.id, ("", grant.due_at))[1])
            for grant in self.model.values()
            if grant.due_at is not None
        ]
        assert self.read(lambda tx: tx.work.next_due()) == min(moments, default=None)

    @invariant()
    def the_log_tells_the_same_story(self):
        """Replaying the log alone gives every grant's state and version, without a gap."""
        told = {}
        for entry in self.read(lambda tx: tx.audit.entries(start=0, limit=10_000)):
            event = json.loads(entry.body)
            state, version = told.get(event["grant"], (None, 0))
            assert event["seq"] == version + 1
            if state is not None:
                assert event["data"]["state"] in EDGES[state] | {state}
            told[event["grant"]] = (GrantState(event["data"]["state"]), event["seq"])
        assert told == {each: (g.state, g.version) for each, g in self.model.items()}


class InMemoryLifeCycle(LifeCycle):
    """The fake."""

    async def open(self):
        """Return an empty fake."""
        return InMemoryStore()


class SqliteLifeCycle(LifeCycle):
    """SQLite."""

    async def open(self):
        """Return an empty database in a folder of its own."""
        self.folder = tempfile.TemporaryDirectory()
        return await SqliteStore.open(Path(self.folder.name) / "protem.db")

    def teardown(self):
        """Close, and remove the folder."""
        super().teardown()
        self.folder.cleanup()


TestInMemoryLifeCycle = InMemoryLifeCycle.TestCase
TestInMemoryLifeCycle.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSqliteLifeCycle = SqliteLifeCycle.TestCase
TestSqliteLifeCycle.settings = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
