"""A whole control plane: what the HTTP API stands on.

Here: the parts together, working for as long as ``running`` is entered, and what only the process
can tell the doctor. Not here: how the parts are chosen (control_plane).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from protem.bootstrap.background_loops import BackgroundLoops
from protem.bootstrap.certificates import CertificateFile
from protem.bootstrap.process_checks import in_certificate, in_key, in_loops, in_published_log
from protem.ports.audit_log import ServesProofs
from protem.ports.sign_in_provider import SignInProvider
from protem.ports.workload_prover import WorkloadProver
from protem.services.diagnosis.findings import DoctorFinding
from protem.services.sign_in import SignInRules
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """A whole control plane, working while ``running`` is entered.

    Attributes:
        proofs: the published audit log.
        private_files: keys, which must belong to us alone; the doctor looks.
        certificates: files that targets are reached with; the doctor reads their dates.
        workloads: who proves workloads, if anybody does.
        sign_in: providers that people may sign in with, by name, and what follows from their word.
    """

    around: Surroundings
    loops: BackgroundLoops
    proofs: ServesProofs
    private_files: tuple[Path, ...] = ()
    certificates: tuple[CertificateFile, ...] = ()
    sign_in: Mapping[str, tuple[SignInProvider, SignInRules]] = field(default_factory=dict)
    workloads: WorkloadProver | None = None
    _running: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loops until the context ends."""
        task = asyncio.create_task(self.loops.run())
        self._running.append(task)
        try:
            yield
        finally:
            self._running.remove(task)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def is_working(self) -> bool:
        """Whether the loops run."""
        return any(not task.done() for task in self._running)

    async def check_process(self) -> Iterable[DoctorFinding]:
        """Return what only this process can tell: its loops, its files, its published log."""
        now = self.around.clock.now()
        found = list(in_loops(self.loops))
        for path in self.private_files:
            found += in_key(path, now)
        for file in self.certificates:
            found += in_certificate(file, now)
        size = await self.around.store.read(lambda view: view.audit.size())
        found += in_published_log(size - self.loops.published)
        return found
