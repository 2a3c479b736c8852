"""The node tree reader against what real servers printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from protem.planners.postgresql import node_tree
from protem.planners.postgresql.needs import needs_of
from protem.planners.postgresql.node_tree import NodeTreeError

_VECTORS = Path(__file__).parent / "postgresql_node_trees"
_EXPECTED = json.loads((_VECTORS / "expected.json").read_text())
_VERSIONS = sorted(folder.name for folder in _VECTORS.iterdir() if folder.is_dir())
_WRAP = 78


def _tokens(version: str, name: str) -> list[str]:
    detail = (_VECTORS / version / f"{name}.txt").read_bytes().decode("latin-1")
    return node_tree.tokens_of(node_tree.unwrap(detail))


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize("name", _EXPECTED)
def test_what_servers_printed(version: str, name: str) -> None:
    """Permission records and writes are the same for every version's format."""
    tokens = _tokens(version, name)
    assert not node_tree.is_utility(tokens)
    needs = needs_of(node_tree.parse_tokens(tokens))
    records = [
        [r.bits, sorted(r.selected), sorted(r.inserted), sorted(r.updated), r.target]
        for r in needs.relations
    ]
    writes = [[w.event, sorted(w.given), sorted(w.defaulted)] for w in needs.writes]
    assert {"records": records, "writes": writes} == _EXPECTED[name]


@pytest.mark.parametrize("version", _VERSIONS)
def test_utility_statements(version: str) -> None:
    """A utility statement is recognised, also where its content is printed as ``?``."""
    assert node_tree.is_utility(_tokens(version, "utility"))


@pytest.mark.parametrize("version", _VERSIONS)
def test_the_sequence_in_a_constant(version: str) -> None:
    """The argument of ``nextval`` is read out of the bytes of its constant."""
    tree = node_tree.parse_tokens(_tokens(version, "nextval"))
    ((number, function),) = needs_of(tree).sequences
    assert function == "nextval"
    assert number > 16_384


@pytest.mark.parametrize("shift", range(40))
@pytest.mark.parametrize("character", ["(", "{", "}", ")", "\\", " ", "x", ":", '"', "\n"])
def test_breaks_inside_names(shift: int, character: str) -> None:
    """A name of 63 special characters never changes the structure, wherever the line breaks."""
    escaped = "".join(
        f"\\{c}" if c in "(){}\\ \n" else c for c in "n" + "y" * (shift % 3) + character * 60
    )
    text = f"{{QUERY :pad {'p' * shift} :name {escaped} :number 7 :list (b 1 2)}}"
    try:
        tree = node_tree.parse(node_tree.unwrap(_wrapped(text)))
    except NodeTreeError:
        return  # refusing is allowed, misreading is not
    assert isinstance(tree, node_tree.Node)
    assert set(tree.fields) == {"pad", "name", "number", "list"}
    assert tree.integer("number") == 7
    assert tree.numbers("list") == {1, 2}


def _wrapped(text: str) -> str:
    """Wrap as ``format_node_dump`` in ``nodes/print.c`` does."""
    lines = []
    position = 0
    while len(text) - position > _WRAP:
        line = text[position : position + _WRAP]
        position += _WRAP
        if text[position] == " ":
            position += 1
        elif (blank := line.rfind(" ")) > 0:
            position -= len(line) - blank - 1
            line = line[:blank]
        lines.append(line)
    return "\n".join([*lines, text[position:]])
