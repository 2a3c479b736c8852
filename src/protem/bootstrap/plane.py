"""A whole control plane: what the HTTP API stands on.

Here: the parts together, working for as long as ``running`` is entered, and what only the process
can tell the doctor. Not here: how the parts are chosen (control_plane).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from protem.bootstrap.background_loops import BackgroundLoops
from protem.domain.errors import InvalidError
from protem.ports.audit_log import ServesProofs
from protem.services.diagnose import DoctorFinding, Severity
from protem.services.surroundings import Surroundings
from protem.signing.local_key import load_key

_FAR_BEHIND = 1_000
"""Unpublished entries that are no longer just the last second's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """A whole control plane, working while ``running`` is entered.

    Attributes:
        proofs: the published audit log.
        private_files: what must belong to us alone; the doctor looks.
    """

    around: Surroundings
    loops: BackgroundLoops
    proofs: ServesProofs
    private_files: tuple[Path, ...] = ()
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
        """Return what only this process can tell: its key files and its loops."""
        found = [
            DoctorFinding(
                severity=Severity.CRITICAL,
                subject=name,
                message=f"this part of the server fails: {why}",
                next_step="read the server's log",
            )
            for name, why in self.loops.troubles.items()
        ]
        for path in self.private_files:
            try:
                load_key(path)
            except InvalidError as error:
                found.append(
                    DoctorFinding(
                        severity=Severity.CRITICAL,
                        subject=str(path),
                        message=error.message,
                        next_step=error.next_step or "restore the key from your backup",
                    )
                )
        behind = await self.around.store.read(lambda view: view.audit.size()) - self.loops.published
        if behind > _FAR_BEHIND:
            found.append(
                DoctorFinding(
                    severity=Severity.WARNING,
                    subject="audit",
                    message=f"{behind} entries are not under a signed checkpoint yet",
                    next_step="look at the disk that holds the audit folder",
                )
            )
        return found
