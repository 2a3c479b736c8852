"""The database file and connections to it: private, durable, never half-configured.

Here: permissions, pragmas and the translation of SQLite's errors, each at one place. Not here:
transactions (``writer``, ``readers``).

Invariants:
- The file, its WAL and its shared memory are readable by their owner alone, whatever the umask;
  SQLite gives the two the mode of the file.
- ``synchronous=FULL``: what is committed has reached the disk (sqlite.org/pragma.html#synchronous).
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from protem.domain.errors import AuditUnavailableError, ConflictError, InvalidError, ProtemError

BUSY_SECONDS = 5.0
"""How long a statement waits for another process before it fails."""
OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING."""
_JOURNAL_BYTES = 64 * 1024 * 1024
_CHECKPOINT_PAGES = 4_000
"""16 MB: a group of writes dirties hundreds of pages, so the default copies them too often."""


def prepare_file(path: Path) -> None:
    """Make the database file if it is missing, private from its first moment.

    Raises:
        InvalidError: when it is not a regular file of this user's, or others may read it.
        AuditUnavailableError: when it cannot be made or opened.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise InvalidError(f"SQLite {sqlite3.sqlite_version} is too old; 3.35 is needed")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_EXCL, 0o600)
    except FileExistsError:
        _check_private(path)
    except OSError as error:
        raise AuditUnavailableError(f"cannot make the database {path}: {error.strerror}") from error
    else:
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
    for suffix in ("-wal", "-shm", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.is_symlink() or beside.exists():
            _check_private(beside)


def _check_private(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise InvalidError(f"{path} is not a regular file")
    if found.st_uid != os.geteuid():
        raise InvalidError(f"{path} belongs to another user")
    if found.st_mode & 0o077:
        raise InvalidError(f"others can read {path}", next_step=f"chmod 600 {path}")


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit mode, so that every BEGIN is our own.

    Raises:
        AuditUnavailableError: when the database cannot be opened.
    """
    mode = "ro" if read_only else "rw"
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise translate(error) from error
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    except sqlite3.Error as error:
        connection.close()
        raise translate(error) from error
    return connection


class DatabaseFile:
    """The file behind a connection, which must still be the one under its name.

    SQLite writes on into a file that was deleted or replaced, where nobody will find it again.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._known: tuple[tuple[int, int], ...] | None = None

    def refuse_if_replaced(self, *, committed: bool) -> None:
        """Return if what is committed is where the next start will look for it.

        Args:
            committed: asked after a transaction; before one it is asked so that nothing refused
                comes to light when the right file is put back. Before the first there need not be
                a WAL.

        Raises:
            AuditUnavailableError: when it is not.
        """
        try:
            found: tuple[tuple[int, int], ...] | None = tuple(
                (at.st_dev, at.st_ino) for at in map(os.stat, self._paths)
            )
        except FileNotFoundError:
            found = None
        if self._known is None and found is None and not committed:
            return
        self._known = self._known or found
        if found is None or found != self._known:
            raise AuditUnavailableError(
                f"the database {self._paths[0]} was deleted or replaced under the running server; "
                "nothing is recorded",
                next_step="put the right file in its place, then start the server again",
            )


def translate(error: sqlite3.Error | OverflowError | UnicodeError) -> ProtemError:
    """Return what ``error`` means to a caller of the store.

    A broken constraint is a conflict; a value that cannot be stored is invalid; anything else
    (disk full, I/O, lock, read-only file) means that nothing was recorded, so nothing is granted.
    """
    if isinstance(error, sqlite3.IntegrityError):
        return ConflictError(f"the store refuses this: {error}")
    invalid = (OverflowError, UnicodeError, sqlite3.DataError, sqlite3.InterfaceError)
    if isinstance(error, (*invalid, sqlite3.ProgrammingError)):
        return InvalidError(f"this cannot be stored: {error}")
    return AuditUnavailableError(
        f"the store failed ({error}); nothing was recorded by this",
        next_step="check the disk and the permissions of the database, then try again",
    )
