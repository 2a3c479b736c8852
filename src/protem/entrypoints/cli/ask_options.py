"""What the user asks for, from the command line to the body of a request.

Here: the options that ``plan``, ``run`` and ``psql`` share, and the content of the files and the
standard input that the command will read, so that approvers see it and nobody can change it later.
Not here: sending it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from protem.domain.commands import MAX_TOTAL_CHARACTERS, STANDARD_INPUT
from protem.domain.durations import parse_duration
from protem.domain.errors import InvalidError
from protem.domain.instants import format_instant
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.psql_arguments import is_psql, parse_psql
from protem.entrypoints.cli.start_times import parse_start
from protem.system.clock import SystemClock

DEFAULT_LENGTH = "15m"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Length(click.ParamType[int]):
    """``15m``, ``1h30m``: seconds; a bare number is refused."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return whole seconds."""
        if isinstance(value, int):
            return value
        try:
            return int(parse_duration(value).total_seconds())
        except InvalidError as error:
            self.fail(error.message, param, ctx)


class Start(click.ParamType[datetime]):
    """``22:00``, ``2026-12-01T22:00+01:00``: a moment in UTC."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_start(value, SystemClock().now())
        except InvalidError as error:
            self.fail(error.message, param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed."""

    target: str
    argv: tuple[str, ...]
    seconds: int
    reason: str = ""
    ticket: str = ""
    profile: str | None = None
    break_glass: bool = False
    confirm_target: str | None = None
    links: tuple[str, ...] = ()
    explain: bool = False
    start: datetime | None = None

    def to_ask(self, inputs: dict[str, str]) -> dict[str, Any]:
        """Return the body of a request."""
        ask: dict[str, Any] = {
            "target": self.target,
            "command": {"argv": list(self.argv), "inputs": inputs},
            "duration_seconds": self.seconds,
        }
        evidence = {"links": list(self.links), "explain": self.explain}
        optional: dict[str, Any] = {
            "reason": self.reason,
            "ticket": self.ticket,
            "profile": self.profile,
            "evidence": evidence if self.links or self.explain else None,
            "start": None if self.start is None else format_instant(self.start),
        }
        return ask | {name: value for name, value in optional.items() if value}


def why_options(command: _Command) -> _Command:
    """Add ``--for``, ``--why`` and ``--ticket``."""
    for option in (
        click.option("--ticket", default="", metavar="ID", help="Incident or change."),
        click.option("--why", "reason", default="", metavar="TEXT", help="Reason, for approvers."),
        click.option(
            "--for",
            "--ttl",
            "seconds",
            type=Length(),
            default=DEFAULT_LENGTH,
            show_default=True,
            metavar="TIME",
            help="How long: 15m, 1h30m.",
        ),
    ):
        command = option(command)
    return command


def link_option(command: _Command) -> _Command:
    """Add ``--evidence``."""
    return click.option(
        "--evidence",
        "links",
        multiple=True,
        metavar="URL",
        help="An alert or plan that speaks for it, for approvers; can be given again.",
    )(command)


def evidence_options(command: _Command) -> _Command:
    """Add ``--evidence`` and ``--explain``."""
    explain = click.option(
        "--explain",
        is_flag=True,
        help="Let the database say how it would run it, for approvers.",
    )
    return link_option(explain(command))


def start_option(command: _Command) -> _Command:
    """Add ``--at``."""
    return click.option(
        "--at",
        "start",
        type=Start(),
        metavar="WHEN",
        help='Begin then, not before: 22:00, "22:00 Europe/Berlin".',
    )(command)


def break_glass_options(command: _Command) -> _Command:
    """Add ``--break-glass`` and ``--confirm-target``."""
    for option in (
        click.option(
            "--confirm-target",
            metavar="NAME",
            help="With --break-glass: the target's name again, where there is no terminal.",
        ),
        click.option(
            "--break-glass",
            is_flag=True,
            help="Emergency: ask nobody, alarm everybody, answer for it in a review.",
        ),
    ):
        command = option(command)
    return command


def read_inputs(argv: Sequence[str]) -> dict[str, str]:
    """Return the content of what ``argv`` reads, by the name it uses.

    Raises:
        CommandFailedError: a file cannot be read, is not UTF-8 text, or is too large.
    """
    if not is_psql(argv):
        return {}
    arguments = parse_psql(argv)
    inputs = {name: _content(name) for name in arguments.files if name != STANDARD_INPUT}
    if arguments.reads_standard_input and not sys.stdin.isatty():
        inputs[STANDARD_INPUT] = _decoded(sys.stdin.buffer.read(_most()), "standard input")
    return inputs


def _content(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return _decoded(file.read(_most()), name)
    except (OSError, ValueError) as error:
        raise CommandFailedError(f"cannot read {name}: {error}", error_code="usage") from error


def _most() -> int:
    return MAX_TOTAL_CHARACTERS * 4 + 1


def _decoded(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandFailedError(f"{name} is not UTF-8 text", error_code="usage") from error
    if len(text) > MAX_TOTAL_CHARACTERS:
        raise CommandFailedError(
            f"{name} is longer than the {MAX_TOTAL_CHARACTERS} characters that a request may hold",
            error_code="usage",
        )
    if "\0" in text:
        raise CommandFailedError(f"{name} holds NUL characters", error_code="usage")
    return text
