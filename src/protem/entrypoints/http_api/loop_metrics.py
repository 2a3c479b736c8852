"""Figures of what the background loops saw last: targets, clocks, certificates.

Invariants: nothing here asks a target; certificate files are read again after a while only.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from protem.bootstrap.plane import ControlPlane
from protem.domain.errors import InvalidError
from protem.domain.identifiers import TargetName

_READ_CERTIFICATES_EVERY = timedelta(minutes=5)


class LoopMetrics:
    """The figures, set anew at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(name, words, labels, registry=registry)

        self._troubles = gauge("protem_failing_loops", "Parts of the server that fail now")
        self._reachable = gauge(
            "protem_target_reachable", "1 when the last look at it went well", "target"
        )
        self._observed = gauge(
            "protem_target_last_observed_timestamp_seconds", "When it was last read", "target"
        )
        self._orphans = gauge(
            "protem_orphans", "Unexplained privileges that could not be ended", "target"
        )
        self._orphans_ended = Counter(
            "protem_orphans_ended",
            "Unexplained privileges found and ended",
            ["target"],
            registry=registry,
        )
        self._unattested = gauge(
            "protem_unattested_ends", "Ended grants that no signed statement closes yet", "target"
        )
        self._standing = gauge(
            "protem_standing_privileges", "People's unmarked logins with rights there", "target"
        )
        self._skew = gauge(
            "protem_target_clock_skew_seconds", "How far its clock is ahead of ours", "target"
        )
        self._behind = gauge(
            "protem_clock_behind_seconds",
            "How far our clock was set back; from 2 nothing is granted",
        )
        self._certificates = gauge(
            "protem_certificate_expires_timestamp_seconds",
            "When the certificate file that a setting names runs out; 0 when unreadable",
            "name",
        )
        self._certificates_read_at: datetime | None = None
        self._counted: dict[TargetName, int] = {}

    def read(self, plane: ControlPlane, now: datetime) -> None:
        """Take over what is known now."""
        self._troubles.set(len(plane.loops.troubles))
        self._behind.set(plane.around.clock.behind().total_seconds())
        for name, look in plane.loops.looks.items():
            self._orphans_ended.labels(name).inc(look.orphans_ended - self._counted.get(name, 0))
            self._counted[name] = look.orphans_ended
            self._unattested.labels(name).set(plane.loops.ends.waiting(name))
            if look.reachable is not None:
                self._reachable.labels(name).set(look.reachable)
            if look.standing is not None:
                self._standing.labels(name).set(look.standing)
            if look.state is not None:
                self._orphans.labels(name).set(len(look.state.failed))
                self._observed.labels(name).set(look.state.observation.at.timestamp())
                self._skew.labels(name).set(look.state.skew.total_seconds())
        self._read_certificates(plane, now)

    def _read_certificates(self, plane: ControlPlane, now: datetime) -> None:
        last = self._certificates_read_at
        if last is not None and now - last < _READ_CERTIFICATES_EVERY:
            return
        self._certificates_read_at = now
        for file in plane.certificates:
            try:
                end = file.runs_out(now).timestamp()
            except InvalidError:
                end = 0.0
            self._certificates.labels(file.name).set(end)
