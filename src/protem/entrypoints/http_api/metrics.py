"""Prometheus figures of one control plane.

Here: what is counted and the text it is served as. Not here: who may read it (network policy), and
the figures about targets and files (loop_metrics).

Invariants: label values come from fixed sets (routes, states, outcomes, target names, settings
keys), never from callers; a scrape costs a bounded amount of reading and asks no target.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from protem.bootstrap.plane import ControlPlane
from protem.domain.grants import TERMINAL, Grant, GrantState
from protem.entrypoints.http_api.loop_metrics import LoopMetrics
from protem.ports.store import Transaction
from protem.services.diagnosis.glass_reviews import counts_of_reviews
from protem.services.diagnosis.stored_grants import OVERDUE_AFTER, ending_for

MOST_COUNTED = 1_000
"""Grants counted in one state; more show as this many."""
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class Metrics:
    """The figures, counted since start or read at each scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "protem_http_requests",
            "HTTP requests answered",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "protem_http_request_seconds",
            "Time to answer, waits included",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.decisions = Counter(
            "protem_decisions",
            "Answers of policy to plans and requests",
            ["outcome"],
            registry=self._registry,
        )
        self.streams = self._gauge("protem_event_streams", "Open event streams")
        self._grants = self._gauge(
            "protem_grants", f"Grants by state, counted up to {MOST_COUNTED}", "state"
        )
        self._lag = self._gauge(
            "protem_reconcile_lag_seconds", "How long the oldest work that nobody does is due"
        )
        self._overdue = self._gauge(
            "protem_overdue_ends", "Grants past their expiry that are not ended"
        )
        self._stuck = self._gauge(
            "protem_stuck_grants", "Grants that their target refuses to end; tried for ever"
        )
        self._stuck_for = self._gauge(
            "protem_stuck_oldest_seconds", "For how long the longest of these was tried, at least"
        )
        self._reviews = self._gauge(
            "protem_glass_reviews", "Reviews of broken glass that are owed, by whether late", "late"
        )
        self._audit_size = self._gauge("protem_audit_entries", "Entries in the store")
        self._audit_lag = self._gauge(
            "protem_audit_unpublished_entries", "Entries not yet under a signed checkpoint"
        )
        self._loops = LoopMetrics(self._registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self._registry)

    async def text(self, plane: ControlPlane) -> bytes:
        """Return the exposition text, with the state of things read now."""
        now = plane.around.clock.now()

        def work(view: Transaction) -> None:
            self._read_grants(plane, view, now)
            owed, late = counts_of_reviews(view, now)
            self._reviews.labels("no").set(owed - late)
            self._reviews.labels("yes").set(late)
            due = view.work.next_due()
            behind = timedelta(0) if due is None else max(now - due, timedelta(0))
            self._lag.set(behind.total_seconds())
            size = view.audit.size()
            self._audit_size.set(size)
            self._audit_lag.set(max(0, size - plane.loops.published))

        await plane.around.store.read(work)
        self._loops.read(plane, now)
        return generate_latest(self._registry)

    def _read_grants(self, plane: ControlPlane, view: Transaction, now: datetime) -> None:
        live: list[Grant] = []
        for state in GrantState:
            if state not in TERMINAL:
                found = view.grants.list(states=(state,), limit=MOST_COUNTED)
                self._grants.labels(state.value).set(len(found))
                live += [grant for grant in found if grant.expires_at is not None]
        late = now - OVERDUE_AFTER
        self._overdue.set(sum(1 for g in live if g.expires_at and g.expires_at < late))
        stuck = [grant for grant in live if grant.state is GrantState.STUCK]
        ages = (ending_for(grant, plane.around.limits, now) for grant in stuck)
        self._stuck.set(len(stuck))
        self._stuck_for.set(max(ages, default=timedelta(0)).total_seconds())
