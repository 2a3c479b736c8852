"""psql's own command line, read as psql reads it.

Here: where its statements come from (``-c``, ``-f``, standard input), and the same command line
with other file names. Not here: which options are allowed; the planner refuses what could change
what runs or where.

Source: ``src/bin/psql/startup.c``, versions 14 to 18; getopt_long's rules are Python's getopt's.
"""

from __future__ import annotations

import getopt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from protem.domain.commands import STANDARD_INPUT
from protem.entrypoints.cli.failures import CommandFailedError

_SHORT = "aAbc:d:eEf:F:h:HlL:no:p:P:qR:sStT:U:v:VwWxXz01?"
_LONG = [
    "no-align",
    "command=",
    "csv",
    "dbname=",
    "echo-queries",
    "echo-errors",
    "echo-hidden",
    "echo-all",
    "file=",
    "field-separator=",
    "field-separator-zero",
    "help",
    "host=",
    "html",
    "list",
    "log-file=",
    "no-password",
    "no-psqlrc",
    "no-readline",
    "output=",
    "password",
    "port=",
    "pset=",
    "quiet",
    "record-separator=",
    "record-separator-zero",
    "set=",
    "single-line",
    "single-step",
    "single-transaction",
    "table-attr=",
    "tuples-only",
    "username=",
    "variable=",
    "version",
    "expanded",
]
_COMMAND = ("-c", "--command")
_FILE = ("-f", "--file")


@dataclass(frozen=True, slots=True, kw_only=True)
class PsqlArguments:
    """A command line of psql, taken apart in order."""

    program: str
    options: tuple[tuple[str, str], ...]
    positional: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The names after ``-f``; ``-`` is standard input."""
        return tuple(value for name, value in self.options if name in _FILE)

    @property
    def reads_standard_input(self) -> bool:
        """Whether psql takes statements from its standard input."""
        sources = [name for name, _ in self.options if name in _COMMAND + _FILE]
        informs = any(
            name in ("-l", "-V", "-?", "--list", "--version", "--help") for name, _ in self.options
        )
        return STANDARD_INPUT in self.files or not (sources or informs)

    def statement_texts(self, inputs: Mapping[str, str]) -> list[str]:
        """Return the texts to run, in order, with ``inputs`` in place of files."""
        texts = []
        for name, value in self.options:
            if name in _COMMAND:
                texts.append(value)
            elif name in _FILE:
                texts.append(inputs[value])
        return texts or [inputs.get(STANDARD_INPUT, "")]

    def argv(self, paths: Mapping[str, str]) -> list[str]:
        """Return the command line again, with ``paths`` in place of file names."""
        line = [self.program]
        for name, given in self.options:
            value = paths.get(given, given) if name in _FILE else given
            if not name.startswith("--"):
                line += [name, value] if f"{name[1]}:" in _SHORT else [name]
            elif f"{name[2:]}=" in _LONG:
                line.append(f"{name}={value}")
            else:
                line.append(name)
        return [*line, "--", *self.positional] if self.positional else line


def is_psql(argv: Sequence[str]) -> bool:
    """Say whether ``argv`` runs psql."""
    return bool(argv) and PurePath(argv[0]).name == "psql"


def parse_psql(argv: Sequence[str]) -> PsqlArguments:
    """Take ``argv`` apart.

    Raises:
        CommandFailedError: psql would not understand it either.
    """
    try:
        options, positional = getopt.gnu_getopt(list(argv[1:]), _SHORT, _LONG)
    except getopt.GetoptError as error:
        raise CommandFailedError(
            f"psql: {error.msg}", error_code="usage", next_step="psql --help"
        ) from error
    return PsqlArguments(program=argv[0], options=tuple(options), positional=tuple(positional))
