"""Text, tables, documents and psql's arguments, without a process."""

from __future__ import annotations

import json
import unicodedata

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.request_wording import privilege_text
from protem.domain.untrusted_text import printable, printable_lines
from protem.entrypoints.cli import exit_codes
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError, as_lines
from protem.entrypoints.cli.psql_arguments import parse_psql
from protem.entrypoints.cli.request_view import state_text
from protem.entrypoints.cli.scope_view import decision_text
from protem.entrypoints.cli.tables import columns, display_width

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.text())
def test_printable_text_holds_nothing_that_acts_or_hides(text):
    """Whatever comes in, no control, format, surrogate or unassigned character comes out."""
    shown = printable(text)
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


@given(st.text())
def test_printable_lines_only_adds_line_feeds(text):
    """A block is as safe as a line, but for its line feeds."""
    assert all(line == printable(line) for line in printable_lines(text).split("\n"))


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("a\rb\n", "a\\x0db\\x0a"),
        ("Žluťoučký kůň 表", "Žluťoučký kůň 表"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_printable_shows_what_it_escapes(given_text, shown):
    """Escapes are visible, and ordinary letters of any script stay as they are."""
    assert printable(given_text) == shown


@given(st.dictionaries(st.text(min_size=1), _VALUES, max_size=4))
def test_yaml_and_json_are_the_same_document(fields):
    """A YAML parser reads from ``-o yaml`` what a JSON parser reads from ``-o json``."""
    assert yaml.safe_load(document(fields, "yaml")) == json.loads(document(fields, "json"))


def test_documents_are_versioned_ascii():
    """The envelope names its version, and no byte of it can act on a terminal."""
    text = document({"name": "\x1b[2J\u202e"}, "json")
    assert json.loads(text)["version"] == 1
    assert text.isascii()
    assert "\x1b" not in text


def test_columns_line_up_with_wide_letters_and_hostile_cells():
    """Cells start at the same column whatever is in the cells before them."""
    table = columns(["A", "B"], [["表\x1b", "1"], ["x", "2"]])
    starts = {
        display_width(line[: line.rindex(end)])
        for line, end in zip(table.split("\n"), "B12", strict=True)
    }
    assert len(starts) == 1


def test_only_the_elastic_column_is_shortened():
    """What a person must copy whole, such as an id, is never cut."""
    table = columns(["ID", "STATE"], [["i" * 26, "s" * 100]], elastic=1, width=60)
    assert "i" * 26 in table
    assert all(display_width(line) <= 60 for line in table.split("\n"))


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("policy_denied", 3),
        ("denied", 3),
        ("unauthenticated", 4),
        ("pending", 5),
        ("expired", 6),
        ("unreachable", 7),
        ("conflict", 1),
        ("never heard of", 1),
    ],
)
def test_the_error_code_decides_the_exit_code(code, exit_code):
    """The map from stable problem codes to exit codes is frozen."""
    assert exit_codes.of_error_code(code) == exit_code


def test_exit_codes_are_frozen():
    """Scripts rely on these numbers."""
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 130]
    assert set(exit_codes.MEANINGS) == set(ExitCode)


def test_an_error_has_its_rule_with_file_and_line_and_a_next_step():
    """Three lines: what happened, which rule, what to type."""
    error = CommandFailedError(
        "not \x1b[31mallowed",
        error_code="policy_denied",
        next_step="add --ticket ID",
        decision={
            "findings": [
                {"rule": "ok", "status": "satisfied"},
                {"rule": "r", "source": "p.cedar:3", "status": "unsatisfied", "message": "why"},
            ]
        },
    )
    assert as_lines(error).split("\n") == [
        "error: not \\x1b[31mallowed",
        "rule: r (p.cedar:3): why",
        "try: add --ticket ID",
    ]


@pytest.mark.parametrize(
    ("argv", "files", "reads"),
    [
        (["psql"], (), True),
        (["psql", "-c", "select 1"], (), False),
        (["psql", "-f", "a.sql", "--file=b.sql"], ("a.sql", "b.sql"), False),
        (["psql", "-Atf-"], ("-",), True),
        (["psql", "shop", "-c", "select 1", "-x"], (), False),
        (["psql", "-l"], (), False),
    ],
)
def test_psql_arguments_say_what_is_read(argv, files, reads):
    """Files and standard input are found as psql finds them."""
    arguments = parse_psql(argv)
    assert arguments.files == files
    assert arguments.reads_standard_input is reads


def test_psql_arguments_come_back_with_other_files():
    """Only file names change; a statement that looks like one does not."""
    arguments = parse_psql(
        ["psql", "-At", "-c", "a.sql", "-f", "a.sql", "--file", "a.sql", "--csv"]
    )
    assert arguments.argv({"a.sql": "/p/a.sql"}) == [
        "psql", "-A", "-t", "-c", "a.sql", "-f", "/p/a.sql", "--file=/p/a.sql", "--csv",
    ]  # fmt: skip


def test_unknown_psql_options_are_a_usage_error():
    """What psql would not understand is refused before anyone is asked."""
    with pytest.raises(CommandFailedError) as caught:
        parse_psql(["psql", "--no-such"])
    assert caught.value.error_code == "usage"


def test_hostile_names_in_a_scope_can_be_told_apart():
    """A table called ``a, b`` does not read like two columns, and hides nothing."""
    row = {
        "kind": "table",
        "path": ["shop", 'o"; --'],
        "action": "SELECT",
        "parts": ["a, b", "\x1b"],
    }
    assert privilege_text(row) == 'SELECT on table shop."o""; --" ("a, b", "\\x1b")'


def test_what_people_allowed_does_not_read_as_allowed_at_once():
    """The approvals that a decision rests on are named, also after they were given."""
    need = {"count": 1, "groups": ["db-owners"], "rule": "r"}
    assert decision_text({"outcome": "allowed", "approvals": []}) == "allowed at once"
    allowed = decision_text({"outcome": "allowed", "approvals": [need]})
    assert allowed == "allowed with 1 approval from db-owners"


@pytest.mark.parametrize("state", ["ending", "stuck"])
def test_an_end_that_fails_says_what_the_target_said(state):
    """Not "given back" of what is still there."""
    grant = {"state": state, "end_cause": "given_back", "last_error": "connection refused\x1b[2J"}
    text = state_text(grant)
    assert "connection refused" in text
    assert "\x1b" not in text
    assert "given back" not in text


def test_a_denial_that_an_option_would_lift_names_the_options():
    """Not "denied" as if for good; but with anything else in the way, plainly denied."""
    ticket = {"status": "unsatisfied", "next_step": "--ticket ID"}
    why = {"status": "unsatisfied", "next_step": "--why TEXT"}
    met = {"status": "satisfied", "next_step": None}
    never = {"status": "unsatisfied", "next_step": None}
    denied = {"outcome": "denied", "findings": [met, why, ticket, ticket]}
    assert decision_text(denied) == "denied as asked; add --why TEXT --ticket ID"
    assert decision_text({"outcome": "denied", "findings": [why, never]}) == "denied"
    assert decision_text({"outcome": "denied", "findings": []}) == "denied"
