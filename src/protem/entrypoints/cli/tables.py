"""Aligned text for people.

Here: columns, and fields one under the other, as wide as what is in them. Not here: colour.

Invariants: every cell goes through ``printable``; nothing is cut from what a person decides on, so
only columns named as ``elastic`` are shortened to fit the terminal.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

from protem.domain.untrusted_text import printable

_GAP = 2


def columns(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    elastic: int | None = None,
    width: int = 80,
) -> str:
    """Return a table; the column at index ``elastic`` gives way when the line is too long."""
    cells = [[printable(cell) for cell in row] for row in rows]
    sizes = [
        max(display_width(line[index]) for line in [list(header), *cells])
        for index in range(len(header))
    ]
    if elastic is not None:
        spare = width - sum(sizes) - _GAP * (len(sizes) - 1)
        sizes[elastic] = max(len(header[elastic]), 8, sizes[elastic] + min(0, spare))
    return "\n".join(_line(row, sizes) for row in [list(header), *cells])


def fields(pairs: Sequence[tuple[str, object]], *, width: int = 80) -> str:
    """Return ``name  value`` lines; long values are wrapped under themselves, never cut."""
    left = max((len(name) for name, _ in pairs), default=0) + _GAP
    lines = []
    for name, value in pairs:
        wrapped = textwrap.wrap(printable(value), max(20, width - left)) or [""]
        lines.append(f"{name:<{left}}{wrapped[0]}".rstrip())
        lines.extend(" " * left + more for more in wrapped[1:])
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Return how many cells ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def shortened(text: str, size: int) -> str:
    """Return ``text`` in at most ``size`` cells, with an ellipsis where something is missing."""
    if display_width(text) <= size:
        return text
    kept = ""
    for one in text:
        if display_width(kept + one) > size - 1:
            break
        kept += one
    return kept + "…"


def _line(row: Sequence[str], sizes: Sequence[int]) -> str:
    short = [shortened(cell, size) for cell, size in zip(row, sizes, strict=True)]
    padded = [
        cell + " " * (size - display_width(cell)) for cell, size in zip(short, sizes, strict=True)
    ]
    return (" " * _GAP).join(padded).rstrip()
