r"""Text on pages: other people's made visible, ours put into words.

Here: the filters that templates use. Not here: escaping for HTML, which templates do by themselves
with whatever comes out of here.

Invariants: a filter that returns markup has escaped all of what it was given.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError
from protem.domain.instants import parse_instant
from protem.domain.untrusted_text import is_hidden, printable

_SPECIAL = frozenset('"$`\\!')
"""What a shell reads within double quotes."""


def finalize(value: Any) -> Any:
    """Make visible what a template prints without a filter."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def shown(value: object) -> Markup:
    """Return foreign text on one line, with what was made visible marked as such."""
    return Markup("").join(map(_piece, str(value)))  # escaped piece by piece


def block(value: object) -> Markup:
    """The same for a block: line feeds stay."""
    lines = str(value).strip("\n").split("\n")
    return Markup("\n").join(shown(line.expandtabs(4)) for line in lines)  # same


def verbatim(value: object) -> Markup:
    """Return text as it is, for a field that sends it back; escaped for HTML, nothing else."""
    return escape(str(value))


def command(argv: Sequence[str]) -> str:
    """Return an argument vector as one would type it in a shell; what it means is unchanged."""
    return " ".join(map(_quoted, argv))


def ticks(value: object) -> Markup:
    """Return a sentence with what stands between backticks as code."""
    pieces = str(value).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(shown(piece)) if number % 2 else shown(piece)
        for number, piece in enumerate(pieces)
    )


def person(principal: object) -> str:
    """Return a principal as people write it: without the issuer when it is local."""
    return str(principal).removeprefix("local|")


def length(seconds: float | timedelta) -> str:
    """Return a length of time as ``15m``."""
    return format_duration(
        seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
    )


def moment(text: str | datetime | None) -> str:
    """Return ``14:30:05 UTC``, with the date unless it was cut off elsewhere."""
    at = _instant(text)
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(text: str | datetime | None) -> str:
    """Return ``14:30 UTC``."""
    at = _instant(text)
    return "-" if at is None else at.strftime("%H:%M UTC")


def relative(text: str | datetime | None, now: str | datetime) -> str:
    """Return ``in 27m`` or ``3m ago``."""
    at, seen_from = _instant(text), _instant(now)
    if at is None or seen_from is None:
        return "-"
    left = at - seen_from
    coarse = _coarse(abs(left))
    return f"{coarse} ago" if left < timedelta(0) else f"in {coarse}"


def privilege_name(row: Mapping[str, Any]) -> str:
    """Return the dotted name of what one row of a scope is about."""
    path = row.get("path")
    return ".".join(map(str, path if isinstance(path, list | tuple) else [path]))


FILTERS = {
    "ticks": ticks,
    "shown": shown,
    "block": block,
    "command": command,
    "person": person,
    "duration": length,
    "verbatim": verbatim,
    "moment": moment,
    "clock": clock,
    "relative": relative,
    "privilege_name": privilege_name,
}


def _quoted(argument: str) -> str:
    """Return one argument, in double quotes where single ones would have to be interrupted."""
    if "'" in argument and not set(argument) & _SPECIAL:
        return f'"{argument}"'
    return shlex.quote(argument)


def _piece(character: str) -> Markup:
    if is_hidden(character):
        return Markup('<span class="hidden-char">{}</span>').format(printable(character))
    return escape(character)


def _instant(text: str | datetime | None) -> datetime | None:
    if isinstance(text, datetime):
        return text.astimezone(UTC)
    try:
        return None if text is None else parse_instant(text)
    except InvalidError:
        return None


def _coarse(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    for unit, smaller in ((86_400, 3_600), (3_600, 60), (180, 60)):
        if seconds >= unit:
            return format_duration(timedelta(seconds=seconds // smaller * smaller))
    return format_duration(timedelta(seconds=max(seconds, 0)))
