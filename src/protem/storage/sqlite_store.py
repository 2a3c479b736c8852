"""The store on one SQLite file: a writer that commits in groups, readers beside it.

Here: opening, closing and the two calls of the port. Two processes may open one file: SQLite's
lock orders their writes, and versions fence what was read before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self, TypeVar

from protem.domain.errors import AuditUnavailableError
from protem.ports.store import Transaction
from protem.storage.connections import connect, prepare_file
from protem.storage.migrate import migrate
from protem.storage.readers import Readers
from protem.storage.writer import Writer

T = TypeVar("T")

ANSWERS_WITHIN_SECONDS = 4.0
"""A disk that takes longer is broken: nobody waits for it, and what must end, ends without it."""


class SqliteStore:
    """``ports.store.Store``; made by ``open``."""

    def __init__(self, *, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database at ``path``, made or brought to the present schema if need be.

        Raises:
            InvalidError: when others could read it, or a newer release wrote it.
            AuditUnavailableError: when it cannot be opened.
        """
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path) -> Self:
        prepare_file(path)
        migrate(path)
        connection = connect(path)
        try:
            readers = Readers(path)
        except BaseException:
            connection.close()
            raise
        return cls(writer=Writer(connection), readers=readers)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work``; return when its changes have reached the disk.

        Raises:
            AuditUnavailableError: when they could not; then none of them is there. Or when the disk
                did not answer in time; work that had not begun is not begun any more.
        """
        result: T = await _in_time(self._writer.submit(work))
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a consistent snapshot.

        Raises:
            AuditUnavailableError: when the store cannot be read, or not in time.
        """
        return await _in_time(self._readers.read(work))

    async def close(self) -> None:
        """Commit what is queued, finish reads, close; harmless twice."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.close)


async def _in_time(answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_SECONDS):
            return await answer
    except TimeoutError:
        raise AuditUnavailableError(
            f"the store did not answer in {ANSWERS_WITHIN_SECONDS:g} s; what was under way may yet "
            "be recorded",
            next_step="look at the disk that holds the state folder",
        ) from None
