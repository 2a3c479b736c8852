"""One transaction's hold on a connection: runs statements, and stops when something broke.

Here: the guard between records and the driver. Not here: BEGIN and COMMIT (``writer``,
``readers``).

Invariants:
- After an error that may have ended the transaction, nothing more runs in it; otherwise later
  statements would commit one by one.
- After the work is over, a session kept by mistake refuses everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from protem.domain.errors import AuditUnavailableError, InvalidError, ProtemError
from protem.storage.connections import translate

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]
_FOREIGN = (sqlite3.Error, OverflowError, UnicodeError)


class Session:
    """Runs statements of one transaction.

    Attributes:
        failure: the error that broke the transaction, if one did.
    """

    __slots__ = ("_connection", "_writable", "failure")

    def __init__(self, connection: sqlite3.Connection, *, writable: bool) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._writable = writable
        self.failure: ProtemError | None = None

    def close(self) -> None:
        """Refuse everything from now on."""
        self._connection = None

    def row(self, statement: str, parameters: Parameters) -> Row | None:
        """Return the first row that ``statement`` selects."""
        try:
            found: Row | None = self._usable().execute(statement, parameters).fetchone()
        except _FOREIGN as error:
            raise self._failed(error) from error
        return found

    def rows(self, statement: str, parameters: Parameters) -> list[Row]:
        """Return all rows that ``statement`` selects."""
        try:
            return self._usable().execute(statement, parameters).fetchall()
        except _FOREIGN as error:
            raise self._failed(error) from error

    def change(self, statement: str, parameters: Parameters) -> int:
        """Run a change; return how many rows it touched.

        Raises:
            ConflictError: when a constraint or trigger refuses it.
            InvalidError: in a read, or when a value cannot be stored.
        """
        self.check_writable()
        try:
            return self._usable().execute(statement, parameters).rowcount
        except _FOREIGN as error:
            raise self._failed(error) from error

    def check_writable(self) -> None:
        """Return if this transaction may change things.

        Raises:
            InvalidError: when it only reads.
        """
        if not self._writable:
            raise InvalidError("this transaction only reads; change things in Store.write")

    def _usable(self) -> sqlite3.Connection:
        if self._connection is None:
            raise InvalidError("this transaction is over; a transaction is not to be kept")
        if self.failure is not None:
            raise self.failure
        return self._connection

    def _failed(self, error: sqlite3.Error | OverflowError | UnicodeError) -> ProtemError:
        meaning = translate(error)
        if isinstance(meaning, AuditUnavailableError):
            self.failure = meaning
        return meaning
