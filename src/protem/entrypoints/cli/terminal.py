"""The two streams: data on standard output, talk on standard error; and colour, decided once.

Here: the decision about colour (``--color``, NO_COLOR, FORCE_COLOR, TERM=dumb, a terminal or not)
and the few marks that use it. Not here: layout of tables (tables) and machine formats (documents).

Invariants: whatever is printed here has been through ``printable`` by its caller, or is ours;
colour never carries meaning alone; machine formats never hold any.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import TextIO

from protem.entrypoints.cli.invocation import current

_STYLES = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def wants_color(stream: TextIO, choice: str) -> bool:
    """Say whether ``stream`` gets colour; an explicit ``--color`` beats the environment."""
    if choice in ("always", "never"):
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") not in (None, "", "0"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return ``text`` in ``style`` (red, green, yellow, bold, dim) where colour is wanted."""
    if not wants_color(stream or sys.stdout, current().color):
        return text
    return f"\033[{_STYLES[style]}m{text}\033[0m"


def data(text: str) -> None:
    """Write a line to standard output, at once: talk about it may follow on the other stream."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a line to standard error; a closed one is nobody's loss."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def width() -> int:
    """Return how many columns there are, between 40 and 160."""
    return max(40, min(160, shutil.get_terminal_size((80, 24)).columns))


class StatusLine:
    """One line on standard error that is rewritten on a terminal, and written once elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._last = ""
        self._shown = False

    def show(self, text: str, clock: str = "") -> None:
        """Say what is waited for; ``clock`` changes all the time and is for terminals only."""
        if self._live:
            line = f"{text} {clock}".rstrip()[: width() - 1]
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
            self._shown = True
        elif text != self._last:
            say(text)
        self._last = text

    def clear(self) -> None:
        """Leave the line empty for what follows."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._shown = False
