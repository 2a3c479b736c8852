"""Publishes the store's audit entries as a signed log in a folder.

Here: bringing the folder up to the store, and saying whether it can be. Not here: the files
themselves (log_writer); how entries enter the store (ports.store).

Invariants:
- What was published is what the store holds: the newest entries are compared at every open, all of
  them by ``compare_with_store``; a difference is loud and nothing is signed.
- The event loop never waits for the disk: file work runs on a thread, one piece at a time.
- A disk that hangs makes ``check_writable`` refuse within ``STALLED_AFTER`` seconds; who asks does
  not touch it while the last look still counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from protem.audit.disk_thread import DiskThread
from protem.audit.durable_files import Disk
from protem.audit.log_files import ENTRIES
from protem.audit.log_writer import LogWriter
from protem.domain.errors import AuditUnavailableError
from protem.ports.signer import Signer
from protem.ports.store import AuditEntry, Store

BATCH = 1_000
COMPARED_AT_OPEN = 1_000
STALLED_AFTER = 5.0
_CLOSES_WITHIN_SECONDS = 3.0


class AuditPublisher:
    """The audit log over a store, a signing key and a folder.

    Args:
        folder: what is published; the last signed head is kept beside it, not in it.
        origin: the log's name, in every checkpoint; never changes for one folder.
        looks_count_for: seconds for which a look at the files by ``publish`` is believed, so that
            ``check_writable`` never waits for them where ``publish`` runs more often.
    """

    def __init__(
        self,
        *,
        store: Store,
        signer: Signer,
        folder: Path,
        origin: str,
        looks_count_for: float = 0.0,
        disk: Disk | None = None,
    ) -> None:
        self.folder = folder
        self._store = store
        self._writer = LogWriter(
            folder=folder,
            head_file=folder.with_name(f"{folder.name}.signed-head"),
            origin=origin,
            signer=signer,
            disk=disk or Disk(),
        )
        self._turn = asyncio.Lock()
        self._files = DiskThread()
        self._failure: AuditUnavailableError | None = None
        self._busy_since: float | None = None
        self._looks_count_for = looks_count_for
        self._looked_at = -looks_count_for

    def check_writable(self) -> None:
        """Return if entries can be published now.

        Raises:
            AuditUnavailableError: the last publish failed, one hangs, or the files are not there.
        """
        busy_since = self._busy_since
        if busy_since is not None and time.monotonic() - busy_since > STALLED_AFTER:
            raise AuditUnavailableError(
                f"the disk of the audit log {self.folder} did not answer for {STALLED_AFTER:.0f} s"
            )
        if self._failure is not None:
            raise AuditUnavailableError(self._failure.message, next_step=self._failure.next_step)
        if time.monotonic() - self._looked_at >= self._looks_count_for and busy_since is None:
            self._writer.check()

    async def publish(self) -> int:
        """Append what the store holds beyond the last head, sign a new head; return its size.

        Raises:
            AuditUnavailableError: when the files cannot be written, or contradict the store.
        """
        async with self._turn:
            try:
                size = await self._bring_up_to_date()
            except AuditUnavailableError as error:
                self._failure = error
                raise
            self._failure = None
            self._looked_at = time.monotonic()
            return size

    async def compare_with_store(self) -> int:
        """Compare every published entry with the store; return how many there are.

        Raises:
            AuditUnavailableError: at the first difference, naming it.
        """
        with (self.folder / ENTRIES).open("rb") as lines:
            compared = 0
            while bodies := await self._bodies(compared):
                for body in bodies:
                    line = lines.readline()
                    if not line.endswith(b"\n"):
                        return compared
                    if line != body + b"\n":
                        raise _differs(f"entry {compared}")
                    compared += 1
            if lines.readline():
                raise _differs(f"the store ends at entry {compared}")
        return compared

    async def close(self) -> None:
        """Let go of the folder; a disk that hangs is left to the thread and dies with it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSES_WITHIN_SECONDS), self._turn:
                await self._on_disk(self._writer.close)

    async def _bring_up_to_date(self) -> int:
        if self._writer.is_open:
            await self._check()
        else:
            await self._open()
        while bodies := await self._bodies(self._writer.size):
            await self._on_disk(lambda bodies=bodies: self._writer.append(bodies))  # type: ignore[misc]  # mypy infers no lambda defaults
        if self._writer.size != self._writer.signed_size:
            await self._on_disk(self._writer.commit)
        return self._writer.size

    async def _check(self) -> None:
        """Look at the files; what is not as it was left is opened anew by the next publish."""
        try:
            await self._on_disk(self._writer.check)
        except AuditUnavailableError:
            await self._on_disk(self._writer.close)
            raise

    async def _open(self) -> None:
        try:
            await self._on_disk(self._writer.open)
            await self._compare_newest()
        except BaseException:
            await self._on_disk(self._writer.close)
            raise

    async def _compare_newest(self) -> None:
        size = self._writer.size
        if size > await self._store.read(lambda tx: tx.audit.size()):
            raise _differs(f"the store holds less than the {size} published entries")
        start = max(0, size - COMPARED_AT_OPEN)
        stored = b"".join([body + b"\n" for body in await self._bodies(start, size - start)])
        if self._writer.tail(len(stored)) != stored:
            raise _differs(f"among the entries from {start} on")

    async def _bodies(self, start: int, limit: int = BATCH) -> Sequence[bytes]:
        entries: Sequence[AuditEntry] = await self._store.read(
            lambda tx: tx.audit.entries(start=start, limit=limit) if limit else []
        )
        if any(entry.index != start + at for at, entry in enumerate(entries)):
            raise _differs(f"the store has a gap after entry {start}")
        return [entry.body for entry in entries]

    async def _on_disk(self, work: Callable[[], object]) -> None:
        """Run ``work`` on the thread; a cancelled caller leaves it to finish there."""

        def timed() -> None:
            self._busy_since = time.monotonic()
            try:
                work()
            finally:
                self._busy_since = None

        await self._files.run(timed)


def _differs(what: str) -> AuditUnavailableError:
    return AuditUnavailableError(
        f"the store and the published audit log differ: {what}; nothing is granted now",
        next_step="compare the store with an exported copy of the log, and restore the true one",
    )
