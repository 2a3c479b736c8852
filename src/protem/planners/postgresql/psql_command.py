"""The command line of psql: which statements it will run, and nothing left to chance.

Here: psql's options by an allow-list, its files and standard input, its refusals. Not here: what
the statements need (postgresql), and starting psql (the command line of Protem).

Invariants:
- An option is accepted only when it can change neither what runs, nor where, nor as whom, and
  writes no file.
- What ``-c`` says goes to the server as it is; in files and on standard input psql would interpret
  backslash commands and ``:variables``, so both are refused there.
- psql's own start-up file is the user's; give ``-X`` to leave it out. What it sets cannot widen
  the scope, which the server enforces.

Source: ``psql --help`` and ``src/bin/psql/startup.c``, versions 14 to 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protem.domain.commands import STANDARD_INPUT, Command
from protem.domain.errors import InvalidError, UnplannableError
from protem.planners.postgresql import lexer, statements
from protem.planners.postgresql.lexer import Token, TokenKind
from protem.planners.postgresql.statements import Statement

PROGRAM = "psql"
MAX_STATEMENTS = 500
"""More than anyone reads before approving."""
USE_A_PROFILE = "protem psql TARGET   # under a profile that an administrator wrote"

_LONG_OF_SHORT = {
    "A": "no-align",
    "a": "echo-all",
    "b": "echo-errors",
    "e": "echo-queries",
    "E": "echo-hidden",
    "H": "html",
    "n": "no-readline",
    "q": "quiet",
    "t": "tuples-only",
    "x": "expanded",
    "X": "no-psqlrc",
    "1": "single-transaction",
    "z": "field-separator-zero",
    "0": "record-separator-zero",
    "c": "command",
    "f": "file",
    "F": "field-separator",
    "P": "pset",
    "R": "record-separator",
    "T": "table-attr",
    "v": "set",
}
_FLAGS = frozenset(
    [
        "no-align",
        "echo-all",
        "echo-errors",
        "echo-queries",
        "echo-hidden",
        "html",
        "no-readline",
        "quiet",
        "tuples-only",
        "expanded",
        "no-psqlrc",
        "single-transaction",
        "field-separator-zero",
        "record-separator-zero",
        "csv",
    ]
)
_WITH_VALUE = frozenset(
    [
        "command",
        "file",
        "field-separator",
        "pset",
        "record-separator",
        "table-attr",
        "set",
        "variable",
    ]
)
_HARMLESS_VARIABLES = frozenset({"ON_ERROR_STOP", "VERBOSITY", "SHOW_CONTEXT"})
_TARGET_DECIDES = "the target decides host, port, user, database and password"
_REFUSED = {
    **dict.fromkeys(("h", "host", "p", "port", "U", "username", "d", "dbname"), _TARGET_DECIDES),
    **dict.fromkeys(("w", "no-password", "W", "password"), _TARGET_DECIDES),
    **dict.fromkeys(
        ("o", "output", "L", "log-file"), "psql would write a file; redirect the output instead"
    ),
    **dict.fromkeys(("s", "single-step"), "it asks before every statement"),
    **dict.fromkeys(("S", "single-line"), "it changes where statements end"),
    **dict.fromkeys(
        ("l", "list"), "it runs statements of psql's own; query pg_database instead, with -c"
    ),
    **dict.fromkeys(("?", "help", "V", "version"), "it runs no statement: no privilege is needed"),
}


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    value: str


def statements_of(command: Command) -> Iterator[Statement]:
    """Yield the statements that ``command`` would run, in order.

    Raises:
        UnplannableError: for an interactive session, backslash commands, variables, and options
            that decide what only the target decides; it says what to do instead.
        InvalidError: when an option is unknown or the text of a file was not sent.
    """
    if command.argv[0] != PROGRAM:
        raise UnplannableError(
            f"a PostgreSQL target runs {PROGRAM} commands, not {command.argv[0]!r}",
            next_step='protem run --on TARGET -- psql -c "STATEMENT"',
        )
    count = 0
    for text, is_script in _sources(command):
        for tokens in _split(text, is_script=is_script):
            count += 1
            if count > MAX_STATEMENTS:
                raise InvalidError(f"a command holds at most {MAX_STATEMENTS} statements")
            yield statements.read(tokens)
    if not count:
        raise UnplannableError("the command holds no statement", next_step='psql -c "STATEMENT"')


def _sources(command: Command) -> Iterator[tuple[str, bool]]:
    """Yield the texts to run, and whether psql itself interprets them."""
    actions = [o for o in _options(command.argv[1:]) if o.name in ("command", "file")]
    if not actions and STANDARD_INPUT not in command.inputs:
        raise UnplannableError(
            "an interactive psql says nothing about what it will run, so no scope can be derived",
            next_step=USE_A_PROFILE,
        )
    for action in actions or [_Option("file", STANDARD_INPUT)]:
        if action.name == "command":
            if action.value.startswith("\\"):
                raise _backslash_command(action.value)
            yield action.value, False
        elif action.value in command.inputs:
            yield command.inputs[action.value], True
        else:
            raise InvalidError(f"the content of {action.value!r} was not sent with the command")


def _split(text: str, *, is_script: bool) -> Iterator[tuple[Token, ...]]:
    for tokens in lexer.split(text):
        if is_script:
            for number, token in enumerate(tokens):
                if token.text == "\\":
                    raise _backslash_command(lexer.text_of(tokens[number:]))
                if token.kind is TokenKind.VARIABLE:
                    raise UnplannableError(
                        f"psql would replace {token.text!r}, which nobody can approve unseen; "
                        "write the value, or a space after the colon of an array slice"
                    )
        yield tokens


def _backslash_command(text: str) -> UnplannableError:
    name = text.split(maxsplit=1)[0] if text.split() else "\\"
    return UnplannableError(
        f"{name[:40]!r} is a command of psql itself, not a statement that the server can analyse",
        next_step=USE_A_PROFILE,
    )


def _options(arguments: tuple[str, ...]) -> Iterator[_Option]:
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--" or not argument.startswith("-") or argument == "-":
            if argument == "--" and not rest:
                return
            raise _refused(argument if argument != "--" else rest[0], _TARGET_DECIDES)
        if argument.startswith("--"):
            yield _long_option(argument, rest)
        else:
            yield from _short_options(argument, rest)


def _long_option(argument: str, rest: list[str]) -> _Option:
    name, equals, value = argument[2:].partition("=")
    if name in _FLAGS and not equals:
        return _Option(name, "")
    if name not in _WITH_VALUE:
        raise _refused(f"--{name}", _REFUSED.get(name))
    return _checked(_Option(name, value if equals else _value_from(rest, argument)))


def _short_options(cluster: str, rest: list[str]) -> Iterator[_Option]:
    for position, letter in enumerate(cluster[1:], start=1):
        name = _LONG_OF_SHORT.get(letter)
        if name is None:
            raise _refused(f"-{letter}", _REFUSED.get(letter))
        if name in _WITH_VALUE:
            value = cluster[position + 1 :] or _value_from(rest, f"-{letter}")
            yield _checked(_Option(name, value))
            return
        yield _Option(name, "")


def _value_from(rest: list[str], option: str) -> str:
    if not rest:
        raise InvalidError(f"psql option {option} needs a value")
    return rest.pop(0)


def _checked(option: _Option) -> _Option:
    if option.name in ("set", "variable"):
        variable = option.value.partition("=")[0]
        if variable not in _HARMLESS_VARIABLES:
            allowed = ", ".join(sorted(_HARMLESS_VARIABLES))
            raise _refused(f"-v {variable}", f"of psql's variables only {allowed} may be set")
    return option


def _refused(option: str, why: str | None) -> UnplannableError:
    if why is None:
        return UnplannableError(f"psql option {option!r} is not one that Protem knows to be safe")
    return UnplannableError(f"psql argument {option!r} is not accepted: {why}")
