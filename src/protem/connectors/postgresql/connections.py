"""A few long-lived administrative connections that survive server restarts.

Here: lending, checking and replacing them, and the session settings that every statement relies
on. Not here: any statement about roles.

Invariants:
- A lent connection is idle, outside a transaction, in autocommit, with an empty search path: names
  in our statements are qualified, and the server quotes what it prints.
- A connection that comes back in any other state is closed, never reused; and the idle ones with
  it, since what broke it may have broken them, silently.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo
from psycopg.pq import TransactionStatus

from protem.connectors.postgresql.failures import unreachable
from protem.domain.errors import InvalidError
from protem.domain.secret import Secret

Connection = psycopg.AsyncConnection[Any]

_CONNECT_TIMEOUT_SECONDS = 5
_NOTICE_A_SILENT_NETWORK = {
    "tcp_user_timeout": 5_000,  # milliseconds
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_SESSION = b"""
SET search_path = '';
SET client_min_messages = error;
SET timezone = 'UTC';
SET lock_timeout = '5s';
SET statement_timeout = '15s';
SET idle_in_transaction_session_timeout = '30s';
SET standard_conforming_strings = on;
"""


class Connections:
    """Lends up to ``size`` connections at a time; opens them on demand."""

    def __init__(self, administrator: Secret, size: int) -> None:
        """Check the connection string; connects to nothing yet.

        Raises:
            InvalidError: when it cannot be parsed; the string is not repeated.
        """
        try:
            self._parameters: Mapping[str, Any] = conninfo.conninfo_to_dict(administrator.reveal())
        except psycopg.Error:
            raise InvalidError("the administrator's connection string is not valid") from None
        self.address = _address(self._parameters)
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(size)
        self._closed = False

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """Lend one connection.

        Raises:
            RetryLaterError: when the server cannot be reached.
            RefusedError: when it refuses the administrator.
        """
        async with self._slots:
            connection = self._take_idle() or await self.open()
            try:
                yield connection
            finally:
                if self._closed or not _is_clean(connection):
                    await connection.close()
                    await self._drop_idle()
                else:
                    self._idle.append(connection)

    async def open(self, database: str | None = None) -> Connection:
        """Open a connection of the caller's own, perhaps to another database of the cluster."""
        parameters = {
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "application_name": "protem",
            **_NOTICE_A_SILENT_NETWORK,
            **self._parameters,
            "client_encoding": "utf8",
        }
        if database is not None:
            parameters["dbname"] = database
        try:
            connection = await psycopg.AsyncConnection.connect(
                **parameters,
                autocommit=True,
                prepare_threshold=None,
            )
        except psycopg.Error as error:
            raise unreachable(error) from error
        try:
            await connection.execute(_SESSION)
        except BaseException as error:
            await connection.close()
            if isinstance(error, psycopg.Error):
                raise unreachable(error) from error
            raise
        return connection

    async def close(self) -> None:
        """Close what is idle now, and the rest when it comes back."""
        self._closed = True
        await self._drop_idle()

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if _is_clean(connection) and not _has_news(connection):
                return connection
            # The server went away while the connection was idle: nothing to say goodbye to.
            connection.pgconn.finish()
        return None


def _address(parameters: Mapping[str, Any]) -> str:
    """Return the URI of ``parameters`` without the password and what is merely tuning."""
    user, host, port, database = (
        quote(str(parameters.get(name, "")), safe="") for name in ("user", "host", "port", "dbname")
    )
    kept = {name: parameters[name] for name in ("sslmode", "sslrootcert") if name in parameters}
    place = f"{host}:{port}" if port else host
    return f"postgresql://{user}@{place}/{database}" + (f"?{urlencode(kept)}" if kept else "")


def _is_clean(connection: Connection) -> bool:
    status = connection.info.transaction_status
    return not connection.closed and status is TransactionStatus.IDLE


def _has_news(connection: Connection) -> bool:
    """An idle server says nothing but goodbye."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
