"""Where each policy begins and ends in a file, and what its conditions say.

Here: tokens, statements and conditions of Cedar text, with line numbers, which the engine's own
syntax tree does not keep. Not here: what a policy means; the engine parses every statement itself,
and ``policy_folder`` checks that the parts read the same as the whole.

Invariants: every token of a file belongs to one statement; only comments and white space do not.

Source: Cedar policy syntax grammar, docs.cedarpolicy.com/policies/syntax-grammar.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n\r]*)
    |(?P<token>"(?:\\.|[^"\\])*"|\w+|&&|\|\||==|!=|<=|>=|::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word, string or mark, with its place in the file."""

    text: str
    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One policy's text.

    Attributes:
        text: from its first annotation or effect to its semicolon, as written.
        line: of its first token, counted from 1.
        closed: whether it ends in a semicolon.
    """

    text: str
    line: int
    tokens: tuple[Token, ...]
    closed: bool

    def line_of(self, words: Sequence[str]) -> int:
        """Return the line of the first of ``words`` that the statement holds, else its own."""
        for word in words:
            for token in self.tokens:
                if token.text in (word, f'"{word}"'):
                    return token.line
        return self.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One part of a policy's ``when`` or ``unless`` that must come out right by itself.

    Attributes:
        text: the expression as written, white space joined.
        negated: it stands in an ``unless``.
        tokens: the words of the expression, for hints.
    """

    text: str
    negated: bool
    tokens: tuple[str, ...]

    @property
    def names_action(self) -> bool:
        """Whether the variable ``action`` occurs, not an attribute of that name."""
        pairs = zip(("", *self.tokens), self.tokens, strict=False)
        return any(word == "action" and before != "." for before, word in pairs)


def split_statements(text: str) -> list[Statement]:
    """Return the statements of a file, in order."""
    statements: list[Statement] = []
    current: list[Token] = []
    for token in _tokens(text):
        current.append(token)
        if token.text == ";":
            statements.append(_statement(text, current, closed=True))
            current = []
    if current:
        statements.append(_statement(text, current, closed=False))
    return statements


def conditions_of(statement: Statement) -> tuple[Condition, ...]:
    """Return the parts that must all hold, in order.

    A ``when`` is split at its outermost ``&&`` unless an outermost ``||`` or ``if`` binds weaker;
    an ``unless`` is one part.
    """
    found: list[Condition] = []
    tokens = statement.tokens
    at = 0
    depth = 0
    while at < len(tokens):
        word = tokens[at].text
        if depth == 0 and word in ("when", "unless"):
            body, at = _enclosed(tokens, at + 1)
            parts = _conjuncts(body) if word == "when" else [body]
            found.extend(_condition(part, negated=word == "unless") for part in parts if part)
            continue
        depth += (word in _OPENING) - (word in _OPENING.values())
        at += 1
    return tuple(found)


def _tokens(text: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        word = match["token"]
        if word is not None:
            yield Token(word, match.start(), match.end(), line)
        line += match[0].count("\n")


def _statement(text: str, tokens: Sequence[Token], *, closed: bool) -> Statement:
    return Statement(
        text=text[tokens[0].start : tokens[-1].end],
        line=tokens[0].line,
        tokens=tuple(tokens),
        closed=closed,
    )


def _enclosed(tokens: Sequence[Token], opening: int) -> tuple[list[Token], int]:
    """Return the tokens between the brace at ``opening`` and its partner, and the next index."""
    depth = 0
    for at in range(opening, len(tokens)):
        word = tokens[at].text
        depth += (word in _OPENING) - (word in _OPENING.values())
        if depth == 0:
            return list(tokens[opening + 1 : at]), at + 1
    return list(tokens[opening + 1 :]), len(tokens)


def _conjuncts(body: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in body:
        depth += (token.text in _OPENING) - (token.text in _OPENING.values())
        if depth == 0 and token.text in ("||", "if"):
            return [list(body)]
        if depth == 0 and token.text == "&&":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _condition(tokens: Sequence[Token], *, negated: bool) -> Condition:
    """Join the tokens as they were written: a gap of any size becomes one space."""
    text = tokens[0].text
    for before, token in pairwise(tokens):
        text += (" " if token.start > before.end else "") + token.text
    return Condition(text=text, negated=negated, tokens=tuple(token.text for token in tokens))
