"""psql's command line, without a server."""

from __future__ import annotations

import pytest

from protem.domain.commands import Command
from protem.domain.errors import InvalidError, UnplannableError
from protem.planners.postgresql import psql_command
from protem.planners.postgresql.statements import Statement


def _statements(*arguments: str, **inputs: str) -> list[Statement]:
    named = {"-" if name == "stdin" else name: text for name, text in inputs.items()}
    return list(psql_command.statements_of(Command(argv=("psql", *arguments), inputs=named)))


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "select 1"),
        ("-cselect 1",),
        ("--command", "select 1"),
        ("--command=select 1",),
        ("-Atqc", "select 1;"),
        ("-X", "-F", ",", "-P", "null=-", "--csv", "-c", " select 1 ; -- done"),
        ("-v", "ON_ERROR_STOP=1", "--set=VERBOSITY=verbose", "-c", "/* x */ select 1"),
        ("-c", "select 1", "--"),
    ],
)
def test_accepted_options(arguments: tuple[str, ...]) -> None:
    """Options that only change the looks of the output, long, short and clustered."""
    assert [statement.text for statement in _statements(*arguments)] == ["select 1"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-h", "elsewhere", "-c", "select 1"),
        ("-c", "select 1", "--host=elsewhere"),
        ("-c", "select 1", "otherdb"),
        ("-c", "select 1", "--", "otherdb"),
        ("-U", "postgres", "-c", "select 1"),
        ("-Atd", "x", "-c", "select 1"),
        ("-o", "/etc/passwd", "-c", "select 1"),
        ("-L", "log", "-c", "select 1"),
        ("-s", "-c", "select 1"),
        ("-l",),
        ("--help",),
        ("-v", "x=1", "-c", "select 1"),
        ("-vAUTOCOMMIT=off", "-c", "select 1"),
        ("-y", "-c", "select 1"),
        ("--comm=select 1",),
        ("--csv=yes", "-c", "select 1"),
        ("-c", "\\! id"),
        ("-c", "\\copy t from 'x'"),
        ("-c", ""),
        ("-c", ";;/* nothing */"),
        (),
    ],
)
def test_refused_options(arguments: tuple[str, ...]) -> None:
    """What could change where, as whom or what runs, or writes files, is refused."""
    with pytest.raises(UnplannableError):
        _statements(*arguments)


def test_an_interactive_session_names_a_profile() -> None:
    """A psql without a statement cannot be planned, and the error says what can be done."""
    with pytest.raises(UnplannableError) as caught:
        _statements("-X")
    assert "protem psql" in str(caught.value.next_step)


@pytest.mark.parametrize(
    "text",
    [
        "select 1 \\gexec",
        "\\d",
        "select 1; \\! id",
        "select :x",
        "select :'x'",
        'select :"x"',
        "select :{?x}",
        "select 1\\;select 2",
    ],
)
def test_what_psql_would_interpret_in_a_file(text: str) -> None:
    """Backslash commands and variables in files and standard input are refused."""
    for statements in ({"stdin": text}, {"f": text}):
        with pytest.raises(UnplannableError):
            _statements(*(() if "stdin" in statements else ("-f", "f")), **statements)


def test_what_psql_leaves_alone_in_a_file() -> None:
    """Casts, quoted backslashes, dollar quotes and slices by number are no business of psql's."""
    text = "select 'a\\b'::text, $$\\d :x$$, \"\\\", (array[1,2])[1:2]; select 2"
    assert len(_statements(stdin=text)) == 2


def test_options_are_sent_as_they_are() -> None:
    """In -c nothing is interpolated, so a colon is left for the server to judge."""
    assert [s.text for s in _statements("-c", "select :x")] == ["select :x"]


def test_order_and_missing_input() -> None:
    """Options and files keep their order; a file that was not sent is an error."""
    found = _statements("-f", "b", "-c", "select 2; select 3", b="select 1")
    assert [s.text for s in found] == ["select 1", "select 2", "select 3"]
    with pytest.raises(InvalidError, match="not sent"):
        _statements("-f", "absent")
    with pytest.raises(InvalidError, match="needs a value"):
        _statements("-c")


@pytest.mark.parametrize(
    ("text", "analysed", "executes"),
    [
        ("explain select 1", "select 1", False),
        ("EXPLAIN /* x */ ANALYZE VERBOSE select 1", "select 1", True),
        ("explain (analyze, format json) select 1", "select 1", True),
        ("explain (analyze off, costs 'off') select 1", "select 1", False),
        ("explain (select 1)", "(select 1)", False),
        ("explain (analyze maybe) select 1", "(analyze maybe) select 1", False),
        ("explain (format x, unknown) select 1", "(format x, unknown) select 1", False),
        ("begin", None, True),
        ("start transaction isolation level serializable, read only", None, True),
        ("COMMIT work", None, True),
        ("rollback", None, True),
        ("rollback to x", "rollback to x", True),
        ("commit prepared 'x'", "commit prepared 'x'", True),
        ("begin x", "begin x", True),
        ('"begin"', '"begin"', True),
    ],
)
def test_explain_and_transactions(text: str, analysed: str | None, executes: bool) -> None:
    """EXPLAIN yields what it explains; transaction control is known by all of its words."""
    (statement,) = _statements("-c", text)
    assert (statement.text, statement.analysed, statement.executes) == (text, analysed, executes)


def test_too_many_statements() -> None:
    """A bound keeps one command from occupying the database."""
    assert len(_statements("-c", "select 1;" * psql_command.MAX_STATEMENTS)) == 500
    with pytest.raises(InvalidError, match="at most"):
        _statements("-c", "select 1;" * (psql_command.MAX_STATEMENTS + 1))


def test_other_programs() -> None:
    """Only psql is understood."""
    with pytest.raises(UnplannableError, match="psql"):
        list(psql_command.statements_of(Command(argv=("/tmp/psql", "-c", "select 1"))))  # noqa: S108  # not a file we make
