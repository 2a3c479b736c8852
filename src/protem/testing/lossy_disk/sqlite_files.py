"""SQLite's own file calls, seen and steered: a VFS around the one that the language's driver uses.

The driver's library is found where the process has it loaded, and a copy of its default VFS is
registered as the default. The copy opens files as the original does, then puts our functions in
place of four of the file's methods (read, write, truncate, sync), which call the originals; locks
and shared memory stay untouched (sqlite.org/vfs.html, sqlite3.h: sqlite3_vfs, sqlite3_io_methods).

Not here: what a cut leaves (recording).

Invariants:
- Only files below the given folder are touched; other connections of the process see nothing.
- No exception crosses into C: an ``OSError`` of the watcher becomes an SQLite error code.
"""

from __future__ import annotations

import ctypes
import errno
import os
import posixpath
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protem.testing.lossy_disk.recording import Recording

_OK, _IOERR, _FULL = 0, 10, 13
_OPEN_CREATE, _OPEN_NEW_NAME = 0x4, 0x800 | 0x80000
"""A journal or WAL: the library syncs its folder at the file's first sync (os_unix.c, dirsync)."""
_Pointer = ctypes.c_void_p
_Integer = ctypes.c_int
_Long = ctypes.c_int64
_Transfer = ctypes.CFUNCTYPE(_Integer, _Pointer, _Pointer, _Integer, _Long)
_Truncate = ctypes.CFUNCTYPE(_Integer, _Pointer, _Long)
_Sync = ctypes.CFUNCTYPE(_Integer, _Pointer, _Integer)
_Open = ctypes.CFUNCTYPE(_Integer, _Pointer, _Pointer, _Pointer, _Integer, _Pointer)
_Delete = ctypes.CFUNCTYPE(_Integer, _Pointer, ctypes.c_char_p, _Integer)


class NotHookableError(RuntimeError):
    """The library of this process cannot be reached; the message says why."""


class _Methods(ctypes.Structure):
    _fields_ = (
        ("iVersion", _Integer),
        ("xClose", _Pointer),
        ("xRead", _Pointer),
        ("xWrite", _Pointer),
        ("xTruncate", _Pointer),
        ("xSync", _Pointer),
        ("others", _Pointer * 13),
    )


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("iVersion", _Integer),
        ("szOsFile", _Integer),
        ("mxPathname", _Integer),
        ("pNext", _Pointer),
        ("zName", ctypes.c_char_p),
        ("pAppData", _Pointer),
        ("xOpen", _Pointer),
        ("xDelete", _Pointer),
        ("others", _Pointer * 14),
    )


class Watcher:
    """Told of each call before it is made; may wait in it, or fail it with an ``OSError``.

    ``OSError(ENOSPC)`` becomes SQLITE_FULL, any other SQLITE_IOERR.
    """

    def reading(self, path: str) -> None:
        """Asked before a read that SQLite's own cache does not answer."""

    def writing(self, path: str) -> None:
        """Asked before a write or a change of size."""

    def syncing(self, path: str) -> None:
        """Asked before a sync."""


@contextmanager
def watched(folder: Path, watcher: Watcher, recording: Recording | None = None) -> Iterator[None]:
    """Watch (and record) the files below ``folder`` that SQLite opens while this is entered.

    Files opened here stay watched until they are closed.

    Raises:
        NotHookableError: when the driver's library cannot be reached.
    """
    library = _library()
    original = ctypes.cast(library.sqlite3_vfs_find(None), ctypes.POINTER(_Vfs))
    layer = _Layer(original.contents, os.path.realpath(folder), watcher, recording or Recording())
    _KEPT.append(layer)
    library.sqlite3_vfs_register(ctypes.byref(layer.vfs), 1)
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(layer.vfs))
        library.sqlite3_vfs_register(original, 1)


_KEPT: list[_Layer] = []
"""C may call these for as long as a file is open, so they are never collected."""


def _library() -> Any:
    """Return the very library that ``sqlite3`` runs on, with the three calls that are used."""
    version = sqlite3.sqlite_version
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise NotHookableError(f"no /proc/self/maps: {error.strerror}") from error
    loaded = {line.split(maxsplit=5)[5] for line in maps if "sqlite3" in line}
    for path in sorted(loaded):
        try:
            library = ctypes.CDLL(path)
            library.sqlite3_libversion.restype = ctypes.c_char_p
            if library.sqlite3_libversion().decode() != version:
                continue
            library.sqlite3_vfs_find.restype = _Pointer
        except (OSError, AttributeError):
            continue
        library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        library.sqlite3_vfs_register.argtypes = [_Pointer, _Integer]
        library.sqlite3_vfs_unregister.argtypes = [_Pointer]
        return library
    raise NotHookableError(
        f"the sqlite3 module of this Python has SQLite {version} linked into it, "
        "out of reach; run with a Python that loads libsqlite3 (Debian's, pyenv's)"
    )


@dataclass(slots=True)
class _Opened:
    """One open file of SQLite's."""

    path: str
    number: int
    syncs_folder: bool


@dataclass(slots=True)
class _Layer:
    original: Any
    folder: str
    watcher: Watcher
    recording: Recording
    vfs: Any = field(init=False)
    _original_open: Any = field(init=False)
    _original_delete: Any = field(init=False)
    _opened: dict[int, _Opened] = field(default_factory=dict)
    _methods: dict[int, _FileMethods] = field(default_factory=dict)
    _callbacks: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self._original_open = _Open(self.original.xOpen)
        self._original_delete = _Delete(self.original.xDelete)
        self.vfs = _Vfs.from_buffer_copy(self.original)
        self.vfs.zName = f"protem-watched-{len(_KEPT)}".encode()
        self._callbacks = (_Open(self._open), _Delete(self._delete))
        self.vfs.xOpen, self.vfs.xDelete = (_address(call) for call in self._callbacks)

    def is_watched(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self.folder + os.sep)

    def opened(self, file: int) -> _Opened:
        return self._opened[file]

    def _open(self, _: int, name: int, file: int, flags: int, out: int) -> int:
        original = ctypes.addressof(self.original)
        code: int = self._original_open(original, name, file, flags, out)
        if code != _OK or not name:
            return code
        path = os.fsdecode(ctypes.string_at(name))
        if not self.is_watched(path):
            return code
        fresh = bool(flags & _OPEN_CREATE and flags & _OPEN_NEW_NAME)
        self._opened[file] = _Opened(path, self.recording.file_at(path), fresh)
        slot = ctypes.cast(file, ctypes.POINTER(_Pointer))
        methods = slot[0]
        if methods is not None:
            if methods not in self._methods:
                self._methods[methods] = _FileMethods(self, methods)
            slot[0] = self._methods[methods].address
        return code

    def _delete(self, _: int, name: bytes, sync_folder: int) -> int:
        path = os.fsdecode(name)
        code: int = self._original_delete(ctypes.addressof(self.original), name, sync_folder)
        if code == _OK and self.is_watched(path):
            self.recording.delete(path)
            if sync_folder:
                self.recording.sync(
                    None, folder=posixpath.dirname(path), covers=len(self.recording.events)
                )
        return code


class _FileMethods:
    """A copy of one set of file methods with ours in four places."""

    def __init__(self, layer: _Layer, address: int) -> None:
        self._layer = layer
        original = _Methods.from_address(address)
        self._read_through = _Transfer(original.xRead)
        self._write_through = _Transfer(original.xWrite)
        self._truncate_through = _Truncate(original.xTruncate)
        self._sync_through = _Sync(original.xSync)
        # Older interfaces are shorter than the structure; what lies behind is never called.
        self._copy = _Methods.from_buffer_copy(original)
        self._callbacks = (
            _Transfer(self._read),
            _Transfer(self._write),
            _Truncate(self._truncate),
            _Sync(self._sync),
        )
        read, write, truncate, sync = (_address(call) for call in self._callbacks)
        self._copy.xRead, self._copy.xWrite = read, write
        self._copy.xTruncate, self._copy.xSync = truncate, sync
        self.address = ctypes.addressof(self._copy)

    def _read(self, file: int, into: int, length: int, offset: int) -> int:
        try:
            self._layer.watcher.reading(self._layer.opened(file).path)
        except OSError as error:
            return _code(error)
        code: int = self._read_through(file, into, length, offset)
        return code

    def _write(self, file: int, data: int, length: int, offset: int) -> int:
        opened = self._layer.opened(file)
        try:
            self._layer.watcher.writing(opened.path)
        except OSError as error:
            return _code(error)
        self._layer.recording.write(opened.number, offset, ctypes.string_at(data, length))
        code: int = self._write_through(file, data, length, offset)
        return code

    def _truncate(self, file: int, size: int) -> int:
        opened = self._layer.opened(file)
        try:
            self._layer.watcher.writing(opened.path)
        except OSError as error:
            return _code(error)
        self._layer.recording.cut(opened.number, size)
        code: int = self._truncate_through(file, size)
        return code

    def _sync(self, file: int, flags: int) -> int:
        opened = self._layer.opened(file)
        asked = len(self._layer.recording.events)
        try:
            self._layer.watcher.syncing(opened.path)
        except OSError as error:
            self._layer.recording.fail_sync(opened.number, covers=asked)
            return _code(error)
        code: int = self._sync_through(file, flags)
        if code == _OK:
            folder = posixpath.dirname(opened.path) if opened.syncs_folder else None
            opened.syncs_folder = False
            self._layer.recording.sync(opened.number, folder=folder, covers=asked)
        return code


def _code(error: OSError) -> int:
    return _FULL if error.errno == errno.ENOSPC else _IOERR


def _address(callback: Any) -> int | None:
    return ctypes.cast(callback, _Pointer).value
