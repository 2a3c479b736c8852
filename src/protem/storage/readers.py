"""A few threads that read, each on a connection that cannot write.

Invariants: a read sees one snapshot from its first statement to its last, and never waits for the
writer (sqlite.org/wal.html).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from protem.domain.errors import AuditUnavailableError
from protem.ports.store import Transaction
from protem.storage.connections import connect, translate
from protem.storage.session import Session
from protem.storage.transaction import SqlTransaction
from protem.storage.writer import CLOSED

T = TypeVar("T")
THREADS = 2
"""More gain nothing: the interpreter runs one at a time but for SQLite's own work."""


class Readers:
    """Owns the reading connections and their threads."""

    def __init__(self, path: Path) -> None:
        self._connections = [connect(path, read_only=True) for _ in range(THREADS)]
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for connection in self._connections:
            self._idle.put(connection)
        self._closed = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="protem-store-reader")

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a snapshot.

        Raises:
            AuditUnavailableError: when the store is closed, or cannot be read.
        """
        if self._closed:
            raise AuditUnavailableError(CLOSED)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, work)

    def close(self) -> None:
        """Finish the reads under way, then stop; harmless twice."""
        self._closed = True
        self._pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()

    def _run(self, work: Callable[[Transaction], T]) -> T:
        connection = self._idle.get()
        session = Session(connection, writable=False)
        try:
            connection.execute("BEGIN")
            return work(SqlTransaction(session))
        except sqlite3.Error as error:
            raise translate(error) from error
        finally:
            session.close()
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self._idle.put(connection)
