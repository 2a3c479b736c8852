"""Reading PostgreSQL's text form of analysed queries (pg_node_tree and the ``parse tree:`` log).

Here: undoing the line breaks of the log, tokens, and a generic tree. Not here: what the nodes mean
(needs). Source: the server's ``nodes/outfuncs.c``, ``nodes/read.c`` and
``nodes/print.c`` (``format_node_dump``), versions 14 to 18.

Invariants:
- Iterative: depth is bounded by memory, not by the interpreter's stack.
- Any text gives a tree or ``NodeTreeError``; a doubtful reading is an error, never a guess.
- Names stay in their escaped form. Nothing in Protem decides by a name found here: objects are
  known by their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "Node | list[Value] | str | None"
"""A node, a list, a word, or None for ``<>``."""

_WRAP_WIDTH = 78
_TOKEN = re.compile(
    r"""[(){}]                                   # structure
      | \[[-0-9\ \n]*\](?![^ \n\t(){}])          # the bytes of a constant, as one word
      | (?:\\.|[^ \n\t(){}\\])+                  # a word, its special characters escaped
      | \\                                       # a lone backslash at the end: an error
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENERS = "({"
_LIST_MARKS = frozenset("iobx")


class NodeTreeError(ValueError):
    """The text is not a node tree, or can be read in two ways."""


@dataclass(slots=True)
class Node:
    """One ``{TAG :field value ...}``."""

    tag: str
    fields: dict[str, Value] = field(default_factory=dict)

    def node(self, name: str) -> Node | None:
        """Return the node in a field, or None when it is absent or no node."""
        value = self.fields.get(name)
        return value if isinstance(value, Node) else None

    def nodes(self, name: str) -> list[Node]:
        """Return the nodes of a list in a field; an absent list is empty."""
        value = self.fields.get(name)
        return [item for item in value if isinstance(item, Node)] if isinstance(value, list) else []

    def integer(self, name: str) -> int:
        """Return a number in a field, 0 when it is absent.

        Raises:
            NodeTreeError: when it is no number.
        """
        value = self.fields.get(name)
        if value is None:
            return 0
        try:
            return int(value)  # type: ignore[arg-type]  # lists and nodes are the error caught here
        except (TypeError, ValueError) as error:
            raise NodeTreeError(f"{self.tag}.{name} is not a number") from error

    def numbers(self, name: str) -> frozenset[int]:
        """Return the members of a bitmapset or number list in a field.

        Raises:
            NodeTreeError: when a member is no number.
        """
        value = self.fields.get(name)
        if not isinstance(value, list):
            return frozenset()
        try:
            return frozenset(int(item) for item in value)  # type: ignore[arg-type]  # as above
        except (TypeError, ValueError) as error:
            raise NodeTreeError(f"{self.tag}.{name} is not a set of numbers") from error

    def walk(self) -> Iterator[Node]:
        """Yield this node and every node below it, in no particular order."""
        return walk(self)


def walk(value: Value) -> Iterator[Node]:
    """Yield every node in ``value``, in no particular order."""
    stack: list[Value] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Node):
            yield item
            stack.extend(v for v in item.fields.values() if v.__class__ is not str)
        elif isinstance(item, list):
            stack.extend(item)


def unwrap(detail: str) -> str:
    """Undo the line breaks of ``format_node_dump``, one character of ``detail`` being one byte.

    The server breaks lines of at most 78 bytes at a space, which the break replaces; only where a
    line has no space does it break inside a word. Those are found by their exact width and joined.

    Raises:
        NodeTreeError: when a break inside a name full of special characters can be read two ways.
    """
    pieces: list[str] = []
    start = 0
    position = detail.find("\n")
    while position != -1:
        line_start = position - _WRAP_WIDTH
        full = line_start == 0 or (line_start > 0 and detail[line_start - 1] == "\n")
        if full and " " not in detail[line_start + 1 : position] and _inside_word(detail, position):
            pieces.append(detail[start:position])
            start = position + 1
        position = detail.find("\n", position + 1)
    pieces.append(detail[start:])
    return "".join(pieces)


def _inside_word(detail: str, position: int) -> bool:
    """Say whether the break at ``position`` was put inside a word and must be dropped."""
    following = detail[position + 1 : position + 2]
    before = detail[position - _WRAP_WIDTH : position]
    escaping = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    doubtful = ")}\\ \n\t" if escaping else ':"'
    if following == "" or following in doubtful:
        raise NodeTreeError("a name with this many special characters cannot be analysed")
    return not escaping or following in _OPENERS


def tokens_of(text: str) -> list[str]:
    """Return the tokens of unwrapped text; ``<>`` is one."""
    return _TOKEN.findall(text)


def is_utility(tokens: list[str]) -> bool:
    """Say whether a query's tokens are those of a utility statement, which has no permissions.

    Raises:
        NodeTreeError: when the text does not begin as a query does.
    """
    head = tokens[:10]
    if head[:2] != ["{", "QUERY"] or ":utilityStmt" not in head[:9]:
        raise NodeTreeError("the server's parse tree does not begin with a query")
    return head[head.index(":utilityStmt") + 1] != "<>"


def parse(text: str) -> Value:
    """Return the tree of ``text``, which is not wrapped.

    Raises:
        NodeTreeError: when it is not well formed.
    """
    return parse_tokens(tokens_of(text))


def parse_tokens(tokens: list[str]) -> Value:
    """Return the tree of ``tokens``.

    Raises:
        NodeTreeError: when they are not well formed.
    """
    if not tokens:
        raise NodeTreeError("an empty node tree")
    value, position = _Builder(tokens).build()
    if position != len(tokens):
        raise NodeTreeError("text after the end of a node tree")
    return value


class _Builder:
    """Turns tokens into a tree with a stack of open nodes and lists."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    def build(self) -> tuple[Value, int]:
        """Return the first value and the position after it."""
        try:
            return self._build(), self._position
        except IndexError:
            raise NodeTreeError("a node tree that ends too early") from None

    def _build(self) -> Value:
        tokens = self._tokens
        opened: list[Node | list[Value]] = []
        names: list[str] = []
        while True:
            top = opened[-1] if opened else None
            word = tokens[self._position]
            self._position += 1
            value: Value
            if isinstance(top, Node):
                if word == "}":
                    value = opened.pop()
                elif word[0] == ":" and len(word) > 1:
                    names.append(word[1:])
                    value = self._simple(opened)
                    if value is _PENDING:
                        continue
                else:
                    raise NodeTreeError("a node field without a name")
            elif word == ")" and top is not None:
                value = opened.pop()
            else:
                self._position -= 1
                value = self._simple(opened)
                if value is _PENDING:
                    continue
            if not opened:
                return value
            top = opened[-1]
            if isinstance(top, Node):
                top.fields[names.pop()] = value
            else:
                top.append(value)

    def _simple(self, opened: list[Node | list[Value]]) -> Value:
        """Read a word value, or open a node or list and return the pending mark."""
        word = self._tokens[self._position]
        self._position += 1
        if word == "{":
            opened.append(Node(self._tokens[self._position]))
            if opened[-1].tag[0] in "(){}:<":  # type: ignore[union-attr]  # a node was just put there
                raise NodeTreeError("a node without a tag")
            self._position += 1
            return _PENDING
        if word == "(":
            opened.append([])
            if self._tokens[self._position] in _LIST_MARKS:
                self._position += 1
            return _PENDING
        if word in ")}" or word == "\\":
            raise NodeTreeError("an unbalanced node tree")
        if word == "<>":
            return None
        following = self._tokens[self._position : self._position + 1]
        if following and following[0][0] == "[" and following[0][-1] == "]":
            self._position += 1
            return following[0]
        return word


_PENDING: Value = "\0pending"
