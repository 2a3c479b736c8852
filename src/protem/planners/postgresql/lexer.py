"""The lexical rules of PostgreSQL: where a token ends and where a statement ends.

Here: tokens and splitting at semicolons. Not here: what a statement means; the server's own parser
says that. Source: the server's ``parser/scan.l`` and psql's ``fe_utils/psqlscan.l``, with
``standard_conforming_strings`` on.

Invariants: the texts of all tokens, joined, are the input; a split never falls inside a quoted
string, a quoted name, a dollar-quoted string, a comment or parentheses.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from protem.domain.errors import InvalidError


class TokenKind(enum.Enum):
    """What a token is, as far as splitting and reading a prefix need it."""

    SPACE = "space"
    WORD = "word"
    QUOTED_NAME = "quoted_name"
    STRING = "string"
    NUMBER = "number"
    VARIABLE = "variable"
    """What psql would replace: ``:name``, ``:'name'``, ``:"name"``, ``:{?name}``."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text."""

    kind: TokenKind
    text: str

    @property
    def keyword(self) -> str:
        """The folded text of a bare word, else the text."""
        return self.text.lower() if self.kind is TokenKind.WORD else self.text


_PATTERN = re.compile(
    r"""
      (?P<space>      [ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<comment>    /\* )
    | (?P<string>     [eE]'(?:[^'\\]|\\.|'')*' | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*' )
    | (?P<quoted_name> (?:[uU]&)?"(?:[^"]|"")*" )
    | (?P<open_quote> [eE]' | (?:[bBxXnN]|[uU]&)?' | (?:[uU]&)?" )
    | (?P<dollar>     \$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$ )
    | (?P<word>       [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<number>     \$?[0-9][0-9A-Za-z_.]* )
    | (?P<cast>       ::|:= )
    | (?P<variable>   :(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*
                        | '[^']*' | "[^"]*" | \{\?[^}]*\}) )
    | (?P<other>      . )
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "space": TokenKind.SPACE,
    "string": TokenKind.STRING,
    "quoted_name": TokenKind.QUOTED_NAME,
    "word": TokenKind.WORD,
    "number": TokenKind.NUMBER,
    "variable": TokenKind.VARIABLE,
}
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of ``text``, comments counting as space.

    Raises:
        InvalidError: at a quote or comment that does not end.
    """
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:  # impossible: the last alternative takes any character
            raise InvalidError("the text cannot be read as SQL")
        group = str(match.lastgroup)
        end, kind = match.end(), _KINDS.get(group, TokenKind.OTHER)
        if group == "comment":
            end, kind = _end_of_comment(text, position), TokenKind.SPACE
        elif group == "dollar":
            end, kind = _end_of_dollar_quote(text, position, match.group()), TokenKind.STRING
        elif group == "open_quote":
            raise _unterminated("quote", text, position)
        yield Token(kind, text[position:end])
        position = end


def split(text: str) -> Iterator[tuple[Token, ...]]:
    """Yield the statements of ``text`` as tokens, without semicolons and surrounding space.

    Raises:
        InvalidError: when a quote or comment does not end, once the split comes to it.
    """
    current: list[Token] = []
    depth = 0
    for token in tokens_of(text):
        if token.text == ";" and depth <= 0:
            yield from _trimmed(current)
            current, depth = [], 0
            continue
        if token.kind is TokenKind.OTHER:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        current.append(token)
    yield from _trimmed(current)


def text_of(tokens: tuple[Token, ...]) -> str:
    """Return the text that ``tokens`` came from."""
    return "".join(token.text for token in tokens)


def _trimmed(tokens: list[Token]) -> Iterator[tuple[Token, ...]]:
    significant = [n for n, token in enumerate(tokens) if token.kind is not TokenKind.SPACE]
    if significant:
        yield tuple(tokens[significant[0] : significant[-1] + 1])


def _end_of_comment(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise _unterminated("comment", text, start)


def _end_of_dollar_quote(text: str, start: int, tag: str) -> int:
    end = text.find(tag, start + len(tag))
    if end == -1:
        raise _unterminated("dollar-quoted string", text, start)
    return end + len(tag)


def _unterminated(what: str, text: str, start: int) -> InvalidError:
    line = text.count("\n", 0, start) + 1
    return InvalidError(f"the {what} that begins in line {line} does not end")
