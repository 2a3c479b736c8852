"""The server's state folder: private, and one process's at a time.

Here: its layout, making it, and its lock. Not here: what is in the files.

Invariants: mode 0700; two servers never have the same folder open, so that one event loop carries
all news and one reconciler leads. The kernel drops the lock with its holder, however that dies.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protem.domain.errors import ConflictError, InvalidError


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """Where everything is that must survive a restart."""

    path: Path

    @property
    def database(self) -> Path:
        """The store."""
        return self.path / "protem.db"

    @property
    def audit_key(self) -> Path:
        """Signs checkpoints of the audit log."""
        return self.path / "audit.key"

    @property
    def order_key(self) -> Path:
        """Signs orders to connectors."""
        return self.path / "order.key"

    @property
    def audit(self) -> Path:
        """The published audit log, unless settings name another folder."""
        return self.path / "audit"

    def create(self) -> bool:
        """Make the folder; say whether it is new."""
        new = not self.path.exists()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check()
        return new

    def check(self) -> None:
        """Return if the folder is there and private.

        Raises:
            InvalidError: when it is not.
        """
        try:
            found = self.path.stat()
        except OSError as error:
            raise InvalidError(
                f"state folder {self.path} cannot be used: {error.strerror}",
                next_step="protem server init",
            ) from error
        if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.geteuid():
            raise InvalidError(
                f"state folder {self.path} must belong to this user with mode 0700",
                next_step=f"chmod 700 {self.path}",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            ConflictError: when another process holds it.
        """
        self.check()
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConflictError(
                    f"a server is running on state folder {self.path}",
                    next_step="stop it first, or give this one a state_dir of its own",
                ) from error
            yield
        finally:
            os.close(handle)
