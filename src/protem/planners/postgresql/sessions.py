"""Connections of the planner: analysing a statement without running it, and reading the catalogue.

Here: a small pool, the settings of its connections, the protocol-level Parse, and the translation
of the server's errors. Not here: what is looked up and what the answers mean.

Invariants:
- A user's statement is only ever sent in a Parse message. The server analyses it; nothing plans or
  executes it. It is the unnamed statement, which the next message replaces, and is cleared at once.
- Every transaction is read-only and every wait has a limit, also for locks.
- No connection string and no password is in any message.

Source: protocol "Extended Query"; ``tcop/postgres.c`` (``exec_parse_message``), versions 14 to 18.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import generators, pq

from protem.domain.errors import InvalidError, ProtemError, RefusedError, RetryLaterError
from protem.domain.secret import Secret

_SETTINGS = """
set client_min_messages = log;
set debug_print_parse = on;
set debug_pretty_print = off;
set default_transaction_read_only = on;
set statement_timeout = '10s';
set lock_timeout = '2s';
set plan_cache_mode = force_generic_plan;
set jit = off;
"""
"""The last two: our own few queries are planned once a connection, not once a use."""
_CONNECT_TIMEOUT_SECONDS = 10
_TITLE = b"parse tree:"
_ONE_BYTE_EACH = ("UTF8", "SQL_ASCII")
_WIDE = ("EUC_CN", "EUC_JP", "EUC_JIS_2004", "EUC_KR", "EUC_TW", "MULE_INTERNAL")
_PASSING = ("08", "40", "53", "55006", "55P03", "57", "58")
"""SQLSTATEs, or classes of them, that say: not now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What holds for a connection as long as it lives.

    Attributes:
        logs_statements: whether what is analysed also reaches the server's own log.
    """

    logs_statements: bool


class Session:
    """One connection, used by one task at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], facts: ServerFacts) -> None:
        self._connection = connection
        self.facts = facts
        self._detail: bytes | None = None
        connection.pgconn.notice_handler = self._notice

    @property
    def usable(self) -> bool:
        """Whether it can be used again."""
        return not self._connection.closed

    async def analyse(self, statement: str) -> str | None:
        """Return the server's parse tree of ``statement``, one character per byte; None when empty.

        Raises:
            InvalidError: the server rejects the statement.
            RefusedError: the planner's role may not see what is named.
            RetryLaterError: not now.
        """
        self._detail = None
        results = await self._connection.wait(self._prepare(statement.encode()))
        tree = self._take_detail()
        failed = [r for r in results if r.status == pq.ExecStatus.FATAL_ERROR]
        if failed:
            raise _error_of(failed[0], statement)
        return None if tree is None else tree.decode(self._tree_encoding())

    async def forget(self) -> None:
        """Clear the last analysed statement from the connection."""
        await self._connection.wait(self._prepare(b""))

    async def fetch_row(self, query: str, parameters: Sequence[object]) -> tuple[Any, ...]:
        """Return the one row of a query of ours with ``$1`` and so on, prepared at its first use.

        Raises:
            RetryLaterError: not now.
        """
        with _translated():
            # Raw: psycopg would look for its own placeholders in a long query at each use.
            cursor = psycopg.AsyncRawCursor(self._connection)
            await cursor.execute(query.encode(), parameters, prepare=True)
            row: tuple[Any, ...] | None = await cursor.fetchone()
        if row is None:
            raise RetryLaterError("the catalogue gave no answer")
        return row

    async def fetch_row_with_empty_path(
        self, query: str, parameters: Sequence[object]
    ) -> tuple[Any, ...]:
        """As ``fetch_row``, with an empty search_path: every name outside pg_catalog qualified."""
        with _translated():
            async with self._connection.transaction():
                await self._connection.execute("set local search_path to ''")
                return await self.fetch_row(query, parameters)

    async def close(self) -> None:
        """End the connection; harmless twice."""
        await self._connection.close()

    def _prepare(self, statement: bytes) -> Generator[Any, Any, list[pq.abc.PGresult]]:
        pgconn = self._connection.pgconn
        pgconn.send_prepare(b"", statement)
        results: list[pq.abc.PGresult] = yield from generators.execute(pgconn)
        return results

    def _notice(self, result: pq.abc.PGresult) -> None:
        if result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) == _TITLE:
            self._detail = result.error_field(pq.DiagnosticField.MESSAGE_DETAIL)

    def _take_detail(self) -> bytes | None:
        detail, self._detail = self._detail, None
        return detail

    def _tree_encoding(self) -> str:
        encoding = (self._connection.pgconn.parameter_status(b"server_encoding") or b"").decode()
        return "latin-1" if encoding in _ONE_BYTE_EACH else "utf-8"


class SessionPool:
    """At most ``size`` connections, opened when needed and kept open."""

    def __init__(self, conninfo: Callable[[], Secret], *, size: int) -> None:
        self._conninfo = conninfo
        self._idle: list[Session] = []
        self._places = asyncio.Semaphore(size)
        self._closed = False

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a connection; one that failed is not lent again.

        Raises:
            RetryLaterError: when the server cannot be reached or turns us away.
        """
        async with self._places:
            session = self._idle.pop() if self._idle else await self._open()
            try:
                with _translated():
                    yield session
            except ProtemError as error:
                if isinstance(error, RetryLaterError):
                    await session.close()
                raise
            except BaseException:
                await session.close()  # cancelled in the middle of a message, or a bug
                raise
            finally:
                if session.usable and not self._closed:
                    self._idle.append(session)
                elif session.usable:
                    await session.close()

    async def close(self) -> None:
        """Close every idle connection; those lent are closed when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    @property
    def has_idle(self) -> bool:
        """Whether a connection would be reused, and so may have died unnoticed."""
        return bool(self._idle)

    async def forget_idle(self) -> None:
        """Close idle connections without closing the pool."""
        while self._idle:
            await self._idle.pop().close()

    async def _open(self) -> Session:
        if self._closed:
            raise InvalidError("this planner is closed")
        try:
            parsed = psycopg.conninfo.conninfo_to_dict(self._conninfo().reveal())
        except psycopg.ProgrammingError:
            raise InvalidError("the planner's connection string cannot be read") from None
        parsed.setdefault("connect_timeout", _CONNECT_TIMEOUT_SECONDS)
        parsed.setdefault("application_name", "protem planner")
        parsed["client_encoding"] = "UTF8"
        try:
            connection = await psycopg.AsyncConnection.connect(autocommit=True, **parsed)  # type: ignore[arg-type]  # libpq's own words and values
        except psycopg.Error as error:
            raise RetryLaterError(
                f"the planner cannot reach the database: {_first_line(error)}",
                next_step="check the address, the planner's role and its password",
            ) from None
        return await _configured(connection)


async def _configured(connection: psycopg.AsyncConnection[Any]) -> Session:
    try:
        with _translated():
            await connection.execute(_SETTINGS)
            cursor = await connection.execute(
                "select current_setting('log_min_messages'), current_setting('server_encoding'),"
                " current_setting('standard_conforming_strings')"
            )
            row = await cursor.fetchone()
        level, encoding, strings = row or ("", "", "")
        _refuse_unsuited(encoding, strings)
    except BaseException:
        await connection.close()
        raise
    return Session(connection, ServerFacts(logs_statements=level not in ("fatal", "panic")))


def _refuse_unsuited(encoding: str, standard_conforming_strings: str) -> None:
    if encoding in _WIDE or standard_conforming_strings != "on":
        raise RefusedError(
            "the planner needs a database with a UTF-8 or single-byte encoding and"
            " standard_conforming_strings on"
        )


@contextlib.contextmanager
def _translated() -> Generator[None, None, None]:
    """Turn psycopg's exceptions into ours; the only place that does, but for connecting."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise RetryLaterError(f"the database did not answer: {_first_line(error)}") from error
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state.startswith(_PASSING):
            raise RetryLaterError(f"the database cannot now: {_first_line(error)}") from error
        raise RefusedError(f"the catalogue cannot be read: {_first_line(error)}") from error


def _error_of(result: pq.abc.PGresult, statement: str) -> ProtemError:
    """Translate the server's answer to a Parse."""

    def field(name: pq.DiagnosticField) -> str:
        return (result.error_field(name) or b"").decode(errors="replace")

    state = field(pq.DiagnosticField.SQLSTATE)
    message = field(pq.DiagnosticField.MESSAGE_PRIMARY)
    if not state or state.startswith(_PASSING):
        return RetryLaterError(f"the database cannot analyse it now: {message or 'disconnected'}")
    if state == "42501":
        return RefusedError(
            f"the planner's role may not look: {message}",
            next_step="grant it USAGE on the schema, see docs/connectors/postgresql-planner.md",
        )
    position = field(pq.DiagnosticField.STATEMENT_POSITION)
    where = ""
    if position.isdecimal():
        line = statement.count("\n", 0, int(position) - 1) + 1
        where = f" (line {line} of the statement)" if "\n" in statement else ""
    hint = field(pq.DiagnosticField.MESSAGE_HINT)
    return InvalidError(f"PostgreSQL rejects it: {message}{where}", next_step=hint or None)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
