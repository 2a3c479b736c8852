"""Bringing a database file to the present schema.

Here: one transaction that is also the lock: of two starters one migrates while the other waits,
then finds it done. Not here: the steps (``migrations``).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from protem.domain.errors import InvalidError
from protem.storage.connections import connect, translate

_FOLDER = str(Path(__file__).parent / "migrations")
HEAD = "0012"
"""The newest step. Known here so that an up-to-date start need not load Alembic."""


def migrate(path: Path) -> None:
    """Run the steps that the database has not seen yet.

    Raises:
        InvalidError: when the database was written by a newer release.
        AuditUnavailableError: when it cannot be changed.
    """
    connection = connect(path)
    try:
        if current_step(connection) != HEAD:
            _upgrade(connection)
    except sqlite3.Error as error:
        raise translate(error) from error
    finally:
        connection.close()


def current_step(connection: sqlite3.Connection) -> str | None:
    """Return the step the database is at, None for an empty one."""
    exists = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    if connection.execute(exists).fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _upgrade(connection: sqlite3.Connection) -> None:
    import sqlalchemy as sa  # noqa: PLC0415  # only a start that migrates pays for these
    from alembic import command  # noqa: PLC0415  # only to migrate
    from alembic.config import Config  # noqa: PLC0415  # only to migrate
    from alembic.util import CommandError  # noqa: PLC0415  # only to migrate

    config = Config()
    config.set_main_option("script_location", _FOLDER.replace("%", "%%"))
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=sa.StaticPool)

    @sa.event.listens_for(engine, "begin")
    def lock(begun: sa.Connection) -> None:
        begun.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as shared:
            config.attributes["connection"] = shared
            command.upgrade(config, "head")
    except CommandError as error:
        raise InvalidError(
            "the database was written by a newer release; start that one instead"
        ) from error
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise translate(error.orig) from error
        raise
