"""The options that every command understands, and what they were this time.

Here: ``-o``, ``--color``, ``--debug``, ``--no-input`` and ``--server``, before or after the name
of the command, with their environment variables. Not here: what any command does with them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

FORMATS = ("table", "json", "yaml")
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One run of the program; filled while the command line is read, then only read."""

    output: str = "table"
    color: str = "auto"
    debug: bool = False
    no_input: bool = False
    server: str | None = None

    @property
    def machine_readable(self) -> bool:
        """Whether a program reads the output."""
        return self.output in ("json", "yaml")

    @property
    def may_prompt(self) -> bool:
        """Whether a person sits there: a terminal on both sides, and nobody said otherwise."""
        return not self.no_input and sys.stdin.isatty() and sys.stderr.isatty()


def current() -> Invocation:
    """Return the invocation under way."""
    found = click.get_current_context().find_root().obj
    if not isinstance(found, Invocation):
        raise TypeError("commands run under the protem group only")
    return found


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Store an option that was given; one left out must not undo one given earlier."""
    given = value is not None and value is not False
    invocation = context.find_root().obj
    if given and isinstance(invocation, Invocation):
        setattr(invocation, str(parameter.name), value)
    return value


def common_options(command: _Command) -> _Command:
    """Add the common options to a command; their values are read through ``current``."""
    options = [
        click.option(
            "-o",
            "--output",
            type=click.Choice(FORMATS),
            help="Format of the data on standard output.",
            **_kept(),
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            help="When to use colour; NO_COLOR and FORCE_COLOR are obeyed too.",
            **_kept(),
        ),
        click.option("--server", metavar="URL", help="The control plane to talk to.", **_kept()),
        click.option("--no-input", is_flag=True, help="Never ask anything.", **_kept()),
        click.option("--debug", is_flag=True, help="Show tracebacks.", **_kept()),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _kept() -> dict[str, Any]:
    return {"expose_value": False, "callback": _keep, "is_eager": True}
