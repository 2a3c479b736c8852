"""What a shell prompt shows of the grants that one holds: ``[orders-db 27m]``.

Here: reading the notes of ``client_state`` and saying them in one short segment. Not here: writing
them, the network, or any library: a shell waits for this before every line that is typed.

Invariants: never an error and never more than one line: what cannot be read shows nothing; no
character that a shell's prompt would act on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from protem.system.wall_clock import wall_seconds

_MOST_BYTES = 4_096
_MOST_FILES = 100
_SHORT_SECONDS = 300
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def segment() -> str:
    """Return the segment for this user, empty when nothing is held."""
    return segment_of(_held_folder(), wall_seconds())


def segment_of(folder: str, now: float) -> str:
    """Return the segment for the notes in ``folder`` at ``now``, seconds since 1970.

    The grant that ends first is named, with ``!`` from five minutes before its end on; others are
    counted.
    """
    held = sorted((ends, target) for ends, target in _notes(folder) if ends > now)
    if not held:
        return ""
    ends, target = held[0]
    left = ends - now
    mark = "!" if left <= _SHORT_SECONDS else ""
    more = f" +{len(held) - 1}" if len(held) > 1 else ""
    return f"[{target} {_length(left)}{mark}{more}]"


def _length(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def _notes(folder: str) -> Iterator[tuple[float, str]]:
    try:
        names = sorted(os.listdir(folder))[:_MOST_FILES]  # noqa: PTH208  # pathlib costs 5 ms
    except OSError:
        return
    for name in names:
        note = _read(os.path.join(folder, name)) if name.endswith(".json") else None  # noqa: PTH118  # as above
        if isinstance(note, dict) and isinstance(note.get("ends"), int | float):
            target = str(note.get("target"))[:64]
            yield float(note["ends"]), "".join(one if one in _SAFE else "?" for one in target)


def _read(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # as above
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            return json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def _held_folder() -> str:
    state = os.environ.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):
        state = os.path.join(os.environ.get("HOME", "/nonexistent"), ".local/state")  # noqa: PTH118  # as above
    return os.path.join(state, "protem", "held")  # noqa: PTH118  # as above
