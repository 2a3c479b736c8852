"""The few disk operations the log is made of, each complete or an ``OSError``.

Here: append, force to disk, replace a file as a whole. Not here: their order (log_writer), which is
what makes a crash between any two of them harmless. Tests put a failing disk in this place.
"""

from __future__ import annotations

import os
from pathlib import Path

FILE_MODE = 0o640
FOLDER_MODE = 0o750
"""Entries tell who asked what and why: the owner writes, the group (auditors) reads."""


class Disk:
    """Does what it says on a real file system."""

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all of ``data`` at the end of a file that is open for appending."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Force a file, or a folder's list of files, to disk."""
        os.fsync(descriptor)

    def replace(self, path: Path, data: bytes) -> None:
        """Put ``data`` at ``path`` so that a reader, or a crash, sees the old or the new whole."""
        scratch = path.with_name(f".{path.name}.new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        try:
            self.append(descriptor, data)
            self.sync(descriptor)
        finally:
            os.close(descriptor)
        self.rename(scratch, path)
        self.sync_folder(path.parent)

    def sync_folder(self, path: Path) -> None:
        """Force the names in a folder to disk."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(folder)
        finally:
            os.close(folder)

    def rename(self, source: Path, destination: Path) -> None:
        """Rename within a folder, over what is there."""
        source.replace(destination)
