"""One statement of a command, and the few utility statements that can be planned by themselves.

Here: transaction control by its exact tokens, and the statement inside EXPLAIN. Not here: any
other utility statement; the server's parse result tells those, and they are refused.

Invariants:
- Nothing is classified by a look at its first words alone: a statement is transaction control when
  *all* its tokens say so, and what EXPLAIN explains is itself given to the server's parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from protem.planners.postgresql import lexer
from protem.planners.postgresql.lexer import Token, TokenKind

_TRANSACTION_CONTROL = re.compile(
    r"(begin|start transaction|begin work|begin transaction)"
    r"( (isolation level (serializable|repeatable read|read committed|read uncommitted)"
    r"|read only|read write|deferrable|not deferrable)( ,)?)*"
    r"|(commit|end|rollback|abort)( work| transaction)?"
)
_EXPLAIN_OPTIONS = frozenset(
    [
        "analyze",
        "analyse",
        "verbose",
        "costs",
        "settings",
        "generic_plan",
        "buffers",
        "serialize",
        "wal",
        "timing",
        "summary",
        "memory",
        "format",
    ]
)
_ON = frozenset({"true", "on", "1"})
_OFF = frozenset({"false", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpelledNames:
    """Names in a text, folded or unquoted: all of them, and those where a cast names its type."""

    all: frozenset[str] = frozenset()
    cast: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What to analyse.

    Attributes:
        text: the whole statement, as the user wrote it.
        analysed: the statement that the server is to analyse; None for transaction control.
        executes: False for EXPLAIN without ANALYZE, which checks rights and stops there.
    """

    text: str
    analysed: str | None
    executes: bool = True

    @property
    def names(self) -> SpelledNames:
        """The names in the text, to tell a type that it names from one that is only implied."""
        tokens = [
            token for token in lexer.tokens_of(self.text) if token.kind is not TokenKind.SPACE
        ]
        spelled = [_name_of(token) for token in tokens]
        found = {name for name in spelled if name is not None}
        cast = {
            name
            for position, name in enumerate(spelled)
            if name is not None and _is_cast(tokens, position)
        }
        return SpelledNames(all=frozenset(found), cast=frozenset(cast))


def read(tokens: tuple[Token, ...]) -> Statement:
    """Return the statement of ``tokens``, which hold no semicolon at the end."""
    text = lexer.text_of(tokens)
    significant = [token for token in tokens if token.kind is not TokenKind.SPACE]
    if all(token.kind is TokenKind.WORD or token.text == "," for token in significant):
        spelled = " ".join(token.keyword for token in significant)
        if _TRANSACTION_CONTROL.fullmatch(spelled):
            return Statement(text=text, analysed=None)
    if significant[0].keyword != "explain":
        return Statement(text=text, analysed=text)
    return _explained(text, tokens)


def _explained(text: str, tokens: tuple[Token, ...]) -> Statement:
    rest = _without_space(tokens[1:])
    options = _bracketed_options(rest)
    if options is not None:
        length, analyze = options
        inner = _without_space(rest[length:])
        return Statement(text=text, analysed=lexer.text_of(inner), executes=analyze)
    analyze = False
    while rest and rest[0].keyword in ("analyze", "analyse", "verbose"):
        analyze = analyze or rest[0].keyword != "verbose"
        rest = _without_space(rest[1:])
    return Statement(text=text, analysed=lexer.text_of(rest), executes=analyze)


def _bracketed_options(tokens: tuple[Token, ...]) -> tuple[int, bool] | None:
    """Return how many tokens an option list takes and whether it says ANALYZE.

    None when it is no option list but a statement in parentheses, or has an option that is unknown.
    """
    if not tokens or tokens[0].text != "(":
        return None
    closing = next((n for n, token in enumerate(tokens) if token.text == ")"), None)
    if closing is None:
        return None
    inside = [token for token in tokens[1:closing] if token.kind is not TokenKind.SPACE]
    analyze = False
    for option in _at_commas(inside):
        name, *value = [token.keyword for token in option] or [""]
        if name not in _EXPLAIN_OPTIONS or len(value) > 1:
            return None
        if name in ("analyze", "analyse"):
            setting = value[0].strip("'").lower() if value else "on"
            if setting not in _ON | _OFF:
                return None
            analyze = setting in _ON
    return closing + 1, analyze


def _at_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _without_space(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    first = next((n for n, t in enumerate(tokens) if t.kind is not TokenKind.SPACE), len(tokens))
    return tokens[first:]


def _name_of(token: Token) -> str | None:
    if token.kind is TokenKind.WORD:
        return token.text.lower()
    if token.kind is TokenKind.QUOTED_NAME:
        return token.text[token.text.index('"') + 1 : -1].replace('""', '"')
    return None


def _is_cast(tokens: list[Token], position: int) -> bool:
    """Say whether the name at ``position`` follows ``::`` or AS, or stands before a string."""
    if position + 1 < len(tokens) and tokens[position + 1].kind is TokenKind.STRING:
        return True
    first = position
    while first >= 2 and tokens[first - 1].text == ".":  # noqa: PLR2004  # a qualifier and its dot
        first -= 2
    return first > 0 and tokens[first - 1].keyword in ("::", "as")
