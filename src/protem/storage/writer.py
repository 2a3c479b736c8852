"""One thread that writes: transactions are queued whole and committed in groups.

Here: the queue, the group and its one COMMIT. A disk flush costs far more than a small
transaction, so all that wait share one; nobody waits for a group to fill.

Invariants:
- A future is resolved only after the COMMIT that made its work durable, or with the reason why it
  is not.
- Each work has a savepoint of its own: one that raises is undone alone.
- When the group itself fails (disk, lock), every work of it is told so and nothing of it is kept.
- What was committed to a file that is no longer the database is told as not recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from protem.domain.errors import AuditUnavailableError, ProtemError
from protem.ports.store import Transaction
from protem.storage.connections import DatabaseFile, translate
from protem.storage.session import Session
from protem.storage.transaction import SqlTransaction

GROUP = 64
"""The most transactions that share a COMMIT; more would only make the first ones wait."""
_CLOSES_WITHIN_SECONDS = 3.0
CLOSED = "the store is closed"


@dataclass(slots=True)
class _Job:
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._file = DatabaseFile(connection)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="protem-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Transaction], Any]) -> asyncio.Future[Any]:
        """Queue ``work``; the future holds its result once that is durable.

        Raises:
            AuditUnavailableError: when the store is closed.
        """
        job = _Job(work, asyncio.get_running_loop().create_future())
        with self._gate:
            if self._closing:
                raise AuditUnavailableError(CLOSED)
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Commit what is queued, then stop; harmless twice.

        A disk that hangs is left to the thread, which dies with the process.
        """
        with self._gate:
            if not self._closing:
                self._closing = True
                self._queue.put(None)
        self._thread.join(_CLOSES_WITHIN_SECONDS)
        if not self._thread.is_alive():
            self._connection.close()

    def _run(self) -> None:
        going = True
        while going:
            group: list[_Job] = []
            job = self._queue.get()
            while job is not None:
                group.append(job)
                if len(group) >= GROUP:
                    break
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
            going = job is not None
            if group:
                self._commit(group)
                _deliver(group)

    def _commit(self, group: list[_Job]) -> None:
        try:
            self._file.refuse_if_replaced(committed=False)
            self._connection.execute("BEGIN IMMEDIATE")
            for job in group:
                if not job.future.cancelled():
                    self._run_one(job)
            self._connection.execute("COMMIT")
            self._file.refuse_if_replaced(committed=True)
        except _BrokenGroupError as broken:
            self._undo(group, broken.meaning, broken)
        except AuditUnavailableError as lost:
            self._undo(group, lost, lost)
        except sqlite3.Error as error:
            self._undo(group, translate(error), error)
        except Exception as error:  # noqa: BLE001  # the thread must outlive whatever it is
            self._undo(group, AuditUnavailableError(f"the store failed: {error!r}"), error)

    def _run_one(self, job: _Job) -> None:
        session = Session(self._connection, writable=True)
        self._connection.execute("SAVEPOINT work")
        try:
            job.result = job.work(SqlTransaction(session))
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to the caller
            job.error = error
        finally:
            session.close()
        if session.failure is not None or not self._connection.in_transaction:
            raise _BrokenGroupError(
                session.failure or AuditUnavailableError("the transaction ended early")
            )
        if job.error is not None:
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _undo(self, group: list[_Job], meaning: ProtemError, cause: BaseException) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        for job in group:
            if job.error is None:
                job.error = type(meaning)(meaning.message, next_step=meaning.next_step)
                job.error.__cause__ = cause


class _BrokenGroupError(Exception):
    """The transaction around the group is gone."""

    def __init__(self, meaning: ProtemError) -> None:
        super().__init__(meaning.message)
        self.meaning = meaning


def _deliver(group: list[_Job]) -> None:
    """Resolve the futures, with one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in group:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, jobs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, jobs)


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        elif isinstance(job.error, StopIteration):
            job.future.set_exception(RuntimeError("work raised StopIteration"))
        else:
            job.future.set_exception(job.error)
