"""A real server whose disk does what the test says: a program around ``protem``.

``steered_server.py FAULT STATE server --config ...``: while the file FAULT exists, its one line
says what fails below the folder STATE: ``store full``, ``store read-only``, ``store hangs`` (its
syncs), ``store dead`` (all of it hangs), ``audit hangs``. SQLite's file calls and the log's syncs
look at it before each operation.
"""

import contextlib
import errno
import sys
import time
from pathlib import Path

from protem.audit.durable_files import Disk
from protem.entrypoints.cli.main import main
from protem.testing.lossy_disk.sqlite_files import Watcher, watched


class SteeredDisk(Watcher):
    """Asks the file before each operation."""

    def __init__(self, fault):
        self.fault = Path(fault)

    def now(self):
        """Return what fails now."""
        with contextlib.suppress(FileNotFoundError):
            return self.fault.read_text().strip()
        return ""

    def wait_while(self, what):
        """Hang."""
        while self.now() == what:
            time.sleep(0.02)

    def reading(self, path):
        """Hang where the whole disk does."""
        del path
        self.wait_while("store dead")

    def writing(self, path):
        """Fail as a full or a read-only disk does."""
        self.wait_while("store dead")
        number = {"store full": errno.ENOSPC, "store read-only": errno.EROFS}.get(self.now())
        if number:
            raise OSError(number, "steered", path)

    def syncing(self, path):
        """Hang, or fail as a write does."""
        self.wait_while("store hangs")
        self.writing(path)


def steer_the_log(disk):
    """Let the log's syncs hang."""
    sync = Disk.sync

    def steered(self, descriptor):
        disk.wait_while("audit hangs")
        sync(self, descriptor)

    Disk.sync = steered


if __name__ == "__main__":
    _, fault, state, *arguments = sys.argv
    steered = SteeredDisk(fault)
    steer_the_log(steered)
    with watched(Path(state), steered):
        sys.argv = ["protem", *arguments]
        main()
