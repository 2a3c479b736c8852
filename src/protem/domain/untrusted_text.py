r"""Text from servers, databases and other people, made safe to show to a person.

Here: one escape for everything that this program did not write itself, for terminals and for pages
alike. Not here: HTML or SQL.

Invariants: no output holds a control character, a bidirectional override, an invisible or an
unassigned code point; what is escaped stays visible as ``\x1b`` or ``\u202e``, so that a reader
sees that something was there (CVE-2021-42574 and the terminal escapes of every decade).
"""

from __future__ import annotations

import unicodedata

_ONE_BYTE = 0xFF
_TWO_BYTES = 0xFFFF
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: object) -> str:
    """Return ``text`` on one line; what could move a cursor or hide is made visible."""
    given = str(text)
    if given.isascii() and given.isprintable():
        return given
    return "".join(map(_visible, given))


def printable_lines(text: object) -> str:
    """The same for a block: line feeds stay, tabs become spaces, carriage returns do not stay."""
    return "\n".join(printable(line.expandtabs(4)) for line in str(text).split("\n"))


def is_hidden(character: str) -> bool:
    """Say whether a character could move a cursor, reorder its neighbours, or not be seen."""
    return unicodedata.category(character) in _HIDDEN


def _visible(character: str) -> str:
    if not is_hidden(character):
        return character
    point = ord(character)
    if point <= _ONE_BYTE:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= _TWO_BYTES else f"\\U{point:08x}"
