"""Properties of the planner's readers: whatever the text, they split, refuse or answer."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from protem.domain.commands import Command
from protem.domain.errors import InvalidError
from protem.domain.scopes import Privilege, Scope
from protem.planners.postgresql import (
    grants,
    lexer,
    needs,
    node_tree,
    psql_command,
)
from protem.planners.postgresql.lexer import TokenKind
from protem.planners.postgresql.node_tree import NodeTreeError

_SQL_PIECES = st.sampled_from(
    [
        "'",
        '"',
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "\n",
        ";",
        "(",
        ")",
        "E'",
        "\\",
        "\\'",
        "a",
        "1",
        "U&'",
        ":x",
        ":'x'",
        "::",
        ":=",
        " ",
        "é",
        "$1",
        "select",
        "explain",
        "begin",
        "''",
    ]
)
_SQL = st.lists(_SQL_PIECES, max_size=25).map("".join) | st.text(max_size=60)
_TREE_PIECES = st.sampled_from(
    [
        "{",
        "}",
        "(",
        ")",
        "(b ",
        "(i ",
        " ",
        ":x",
        "<>",
        "\\",
        '"',
        "[",
        "]",
        "[ 1 2 ]",
        "QUERY",
        ":commandType",
        ":utilityStmt",
        ":rtable",
        "1",
        "-1",
        "\n",
        "RTEPERMISSIONINFO",
        ":relid",
        "{QUERY :commandType 3 :utilityStmt <> ",
        ":resultRelation 5",
        ":rteperminfos ({",
        ":funcid",
        "{CONST :consttype 2205 :constvalue 4 [ 1 ]",
        "FUNCEXPR",
        ":args",
        ":requiredPerms 2",
    ]
)
_TREES = st.lists(_TREE_PIECES, max_size=40).map("".join) | st.text(max_size=100)
_NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1)
_STATEMENTS = st.sampled_from(
    [
        "select 'a;b'",
        'select ";"',
        "select $$;'$$",
        "select $x$ $$;$x$",
        "select /* ; /* ; */ */ 1",
        "select 1 -- ;\n",
        "select E'\\';'",
        "select U&'d;' uescape '!'",
        "select (1)",
        "x$y$z",
        "create rule r as on insert to t do (select 1; select 2)",
        "select 'it''s;'",
    ]
)


@given(_SQL)
def test_tokens_are_the_text(text: str) -> None:
    """Joined tokens are the input, or the input is refused."""
    try:
        tokens = list(lexer.tokens_of(text))
    except InvalidError:
        return
    assert "".join(token.text for token in tokens) == text


@given(_SQL)
def test_a_split_piece_is_one_statement(text: str) -> None:
    """Splitting a piece again gives the same piece: nothing is cut twice."""
    try:
        pieces = [lexer.text_of(p) for p in lexer.split(text)]
    except InvalidError:
        return
    for piece in pieces:
        again = [lexer.text_of(p) for p in lexer.split(piece)]
        assert len(again) == 1 or "(" in text or ")" in text
        assert again[0] == piece or "(" in text or ")" in text


@given(st.lists(_STATEMENTS, min_size=1, max_size=6), st.sampled_from([";", " ; ", ";\n;"]))
def test_splitting_undoes_joining(statements: list[str], separator: str) -> None:
    """Statements joined by semicolons come back one by one."""
    joined = separator.join(statements)
    pieces = [lexer.text_of(p) for p in lexer.split(joined)]
    assert pieces == [re.sub(r" -- ;\n$", "", statement) for statement in statements]


@given(_TREES)
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    """The tree reader and the walk raise nothing but their own error."""
    try:
        unwrapped = node_tree.unwrap(text)
        needs.needs_of(node_tree.parse(unwrapped))
        node_tree.is_utility(node_tree.tokens_of(unwrapped))
    except NodeTreeError:
        pass


def test_a_very_deep_tree() -> None:
    """Depth is bounded by memory, not by the interpreter's stack."""
    depth = 50_000
    text = "{A :x " * depth + "1" + "}" * depth
    assert len(list(node_tree.walk(node_tree.parse(text)))) == depth


@given(st.lists(st.sampled_from(["-c", "-f", "-At", "-x", "-v", "-h", "--csv", "--", "-", "x"])
                | st.text(max_size=5), max_size=6))  # fmt: skip
def test_any_arguments_are_read_or_refused(arguments: list[str]) -> None:
    """Whatever the arguments, psql's command line is read or refused with an error of ours."""
    try:
        command = Command(argv=("psql", *arguments), inputs={"-": "select 1"})
        for statement in psql_command.statements_of(command):
            assert statement.names.cast <= statement.names.all
    except InvalidError:
        pass


@given(_NAMES, _NAMES, _NAMES, _NAMES)
def test_hostile_names_stay_names(schema: str, table: str, column: str, role: str) -> None:
    """In a GRANT every name is one quoted name, whatever it holds."""
    scope = Scope([Privilege(kind="table", path=(schema, table), action="SELECT", part=column)])
    (statement,) = grants.grant_statements(scope, (), role)
    tokens = [t for t in lexer.tokens_of(statement) if t.kind is not TokenKind.SPACE]
    names = [t.text for t in tokens if t.kind is TokenKind.QUOTED_NAME]
    quoted = ['"' + n.replace('"', '""') + '"' for n in (column, schema, table, role)]
    assert names == quoted
    others = [t.keyword for t in tokens if t.kind is not TokenKind.QUOTED_NAME]
    assert others == ["grant", "select", "(", ")", "on", "table", ".", "to", ";"]
