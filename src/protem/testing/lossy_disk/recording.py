"""What was asked of a disk, in order, and what a power cut at any moment may have left of it.

The model is the harsh reading of POSIX: a file's bytes are safe once a sync of that file returned,
a file's name once a sync of its folder did. Of the rest any part may be there: some writes without
those before them, a write cut at a sector, a rename or a deletion that never was.
A sector is written whole or not at all (sqlite.org/psow.html), a rename whole or not at all.

Not here: who records (``sqlite_files`` and the tests' own disks); chance comes from the caller.

Invariants: images come from recorded bytes alone; the same recording and the same chance give the
same images.
"""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

SECTOR = 512
_Change = TypeVar("_Change")


class Chance(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        ...

    def randrange(self, stop: int, /) -> int:
        """Return a whole number from 0 up to ``stop``."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """Names in one folder changed at once: a file made, renamed, or (None) deleted."""

    names: Mapping[str, int | None]

    @property
    def folder(self) -> str:
        """The folder that must be synced for this to be safe."""
        return posixpath.dirname(next(iter(self.names)))


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes put into a file."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file cut, or filled with zeros, to a size."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync that returned: of a file, of the names in a folder, or of both.

    Attributes:
        covers: how many events had happened when it was asked; later ones it says nothing of.
    """

    file: int | None
    folder: str | None
    covers: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sync of a file that failed: any part of what it was to cover is there, the rest never is.

    A later sync that succeeds does not bring it back: the system has called the pages clean
    (wiki.postgresql.org/wiki/Fsync_Errors).
    """

    file: int
    covers: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The world was told that this will stay."""

    what: int


Event = Named | Written | Cut | Synced | Dropped | Acknowledged


@dataclass(slots=True)
class Recording:
    """The events of one run; threads may add to it."""

    events: list[Event] = field(default_factory=list)
    _files: int = 0
    _names: dict[str, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def file_at(self, name: str) -> int:
        """Return the number of the file called ``name``, made now if there is none."""
        with self._lock:
            if name not in self._names:
                self._names[name] = self._files
                self._files += 1
                self.events.append(Named({name: self._names[name]}))
            return self._names[name]

    def write(self, file: int, offset: int, data: bytes) -> None:
        """Note bytes put into a file."""
        with self._lock:
            self.events.append(Written(file, offset, data))

    def cut(self, file: int, size: int) -> None:
        """Note a change of a file's size."""
        with self._lock:
            self.events.append(Cut(file, size))

    def sync(self, file: int | None, *, folder: str | None, covers: int) -> None:
        """Note a sync that returned, and how many events there were when it was asked."""
        with self._lock:
            self.events.append(Synced(file, folder, covers))

    def fail_sync(self, file: int, *, covers: int) -> None:
        """Note a sync that failed, and how many events there were when it was asked."""
        with self._lock:
            self.events.append(Dropped(file, covers))

    def begin_with(self, name: str, content: bytes) -> None:
        """Note a file that was there, and safe, before the run."""
        with self._lock:
            file = self.file_at(name)
            self.write(file, 0, content)
            self.sync(file, folder=posixpath.dirname(name), covers=len(self.events))

    def delete(self, name: str) -> None:
        """Note that a name is gone."""
        with self._lock:
            if self._names.pop(name, None) is not None:
                self.events.append(Named({name: None}))

    def rename(self, source: str, destination: str) -> None:
        """Note that a file has another name now, over what had it."""
        with self._lock:
            self._names[destination] = self._names.pop(source)
            self.events.append(Named({source: None, destination: self._names[destination]}))

    def acknowledge(self, what: int) -> None:
        """Note a promise."""
        with self._lock:
            self.events.append(Acknowledged(what))


@dataclass(slots=True)
class _File:
    safe: bytearray = field(default_factory=bytearray)
    loose: list[tuple[int, Written | Cut]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a power cut left: bytes by name, and what had been promised by then."""

    at: int
    files: Mapping[str, bytes]
    promised: Sequence[int]


def images(
    recording: Recording, moments: Sequence[int], chance: Chance, *, holes: bool = True
) -> Iterator[Image]:
    """Yield one image for each moment: a cut after so many events. ``moments`` ascend.

    Args:
        recording: of a run that is over.
        moments: each from 0 to the number of events; the same one again is another image.
        chance: decides what of the unsynced is there.
        holes: whether a write can be there without the ones before it.
    """
    disk = _Disk()
    done = 0
    for moment in moments:
        while done < moment:
            disk.apply(done, recording.events[done], chance)
            done += 1
        yield disk.image(done, chance, holes=holes)


@dataclass(slots=True)
class _Disk:
    files: dict[int, _File] = field(default_factory=dict)
    safe_names: dict[str, int] = field(default_factory=dict)
    loose_names: list[tuple[int, Named]] = field(default_factory=list)
    promised: list[int] = field(default_factory=list)

    def apply(self, at: int, event: Event, chance: Chance) -> None:
        match event:
            case Named():
                self.loose_names.append((at, event))
            case Written() | Cut():
                self.files.setdefault(event.file, _File()).loose.append((at, event))
            case Synced():
                self._sync(event)
            case Dropped():
                self._drop(event, chance)
            case Acknowledged():
                self.promised.append(event.what)

    def _sync(self, event: Synced) -> None:
        if event.file is not None:
            file = self.files.setdefault(event.file, _File())
            while file.loose and file.loose[0][0] < event.covers:
                _put(file.safe, file.loose.pop(0)[1])
        still_loose = []
        for at, change in self.loose_names:
            if at < event.covers and event.folder == change.folder:
                _rename(self.safe_names, change)
            else:
                still_loose.append((at, change))
        self.loose_names = still_loose

    def _drop(self, event: Dropped, chance: Chance) -> None:
        file = self.files.setdefault(event.file, _File())
        covered = [change for change in file.loose if change[0] < event.covers]
        del file.loose[: len(covered)]
        for _, change in _survivors(covered, chance, holes=True):
            _put(file.safe, change)

    def image(self, at: int, chance: Chance, *, holes: bool) -> Image:
        names = dict(self.safe_names)
        for _, renaming in _survivors(self.loose_names, chance, holes=holes):
            _rename(names, renaming)
        found: dict[str, bytes] = {}
        for name, number in names.items():
            file = self.files.get(number, _File())
            content = bytearray(file.safe)
            survivors = _survivors(file.loose, chance, holes=holes)
            for place, (_, change) in enumerate(survivors):
                torn = place == len(survivors) - 1 and chance.random() < _TORN
                _put(content, _tear(change, chance, holes=holes) if torn else change)
            found[name] = bytes(content)
        return Image(at=at, files=found, promised=tuple(self.promised))


_TORN = 0.5
_NOTHING, _EVERYTHING = 0.25, 0.4


def _survivors(
    changes: list[tuple[int, _Change]], chance: Chance, *, holes: bool
) -> list[tuple[int, _Change]]:
    """Return which unsynced changes reached the disk: none, all, some, or the first few."""
    if not changes:
        return []
    drawn = chance.random()
    if drawn < _NOTHING:
        return []
    if drawn < _EVERYTHING:
        return list(changes)
    if not holes or drawn > (1 + _EVERYTHING) / 2:
        return changes[: chance.randrange(len(changes) + 1)]
    share = chance.random()
    return [change for change in changes if chance.random() < share]


def _tear(change: Written | Cut, chance: Chance, *, holes: bool) -> Written | Cut:
    """Return what a cut in the middle of a write leaves: its first sectors, or (holes) its last."""
    if isinstance(change, Cut):
        return change
    end = change.offset + len(change.data)
    first = change.offset // SECTOR + 1
    at = (first + chance.randrange(max(1, (end - 1) // SECTOR - first + 2))) * SECTOR
    at = min(at, end)
    length = at - change.offset
    if holes and chance.random() < 1 / 2:
        return Written(change.file, at, change.data[length:])
    return Written(change.file, change.offset, change.data[:length])


def _put(content: bytearray, change: Written | Cut) -> None:
    if isinstance(change, Cut):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    if not change.data:
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def _rename(names: dict[str, int], change: Named) -> None:
    for name, file in change.names.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
