"""Statements without psql: for machines that have none.

Here: running texts one after the other with psycopg, and their rows as aligned text. Not here:
psql's formats, variables and backslash commands.

Invariants: the texts go to the server as they are; the first error ends the run with psql's own
code for it (1 for ``-c``); values are escaped before they reach the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from protem.domain.secret import Secret
from protem.domain.untrusted_text import printable, printable_lines
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import data, say

if TYPE_CHECKING:
    import psycopg

FAILED_STATEMENT = 1
LOST_CONNECTION = 2


def run_statements(login: Mapping[str, str], password: Secret, texts: Sequence[str]) -> int:
    """Run ``texts`` in order; return psql's exit code for how it went.

    Raises:
        CommandFailedError: psycopg is not installed either.
    """
    try:
        import psycopg  # an extra, and slow to load
    except ImportError as error:
        raise CommandFailedError(
            "neither psql nor psycopg is installed",
            next_step="apt install postgresql-client   # or: pip install 'protem[postgresql]'",
        ) from error
    facts: dict[str, Any] = dict(login)
    try:
        with psycopg.connect(**facts, password=password.reveal(), autocommit=True) as connection:
            for text in texts:
                _run_text(connection, text)
    except psycopg.OperationalError as error:
        say(f"protem: {printable_lines(str(error).strip())}")
        return LOST_CONNECTION
    except psycopg.Error as error:
        say(printable_lines(f"{error.diag.severity or 'ERROR'}:  {str(error).strip()}"))
        return FAILED_STATEMENT
    return 0


def _run_text(connection: psycopg.Connection[Any], text: str) -> None:
    cursor = connection.execute(text.encode())
    while True:
        if cursor.description is None:
            data(printable(cursor.statusmessage or ""))
        else:
            rows = [["" if value is None else value for value in row] for row in cursor]
            data(columns([printable(column.name) for column in cursor.description], rows))
            data(f"({len(rows)} {'row' if len(rows) == 1 else 'rows'})")
        if not cursor.nextset():
            return
