"""Where every error becomes its lines on standard error and its exit code.

Here: running the tree once, and nothing past this point raises. Not here: wording (failures).
"""

from __future__ import annotations

import contextlib
import os
import sys

import click

from protem.domain.errors import ProtemError
from protem.entrypoints.cli.command_tree import SUMMARIES, protem
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import (
    CommandFailedError,
    as_document,
    as_lines,
    exit_code_of,
)
from protem.entrypoints.cli.invocation import FORMATS, Invocation
from protem.entrypoints.cli.terminal import wants_color


def run_command_line(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    invocation = _from_environment()
    try:
        code = protem.main(arguments, prog_name="protem", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except (KeyboardInterrupt, click.Abort):
        return _report(CommandFailedError("interrupted", error_code="interrupted"), invocation)
    except click.ClickException as error:
        return _report(_usage(error), invocation)
    except ProtemError as error:
        _traceback_if_asked(invocation)
        return _report(error, invocation)
    except Exception as error:  # noqa: BLE001  # the last resort of the program
        _traceback_if_asked(invocation)
        text = f"unexpected {type(error).__name__}: {error}"
        told = CommandFailedError(text, next_step="run it again with --debug and report it")
        return _report(told, invocation)
    return code if isinstance(code, int) else ExitCode.OK


def _from_environment() -> Invocation:
    output = os.environ.get("PROTEM_OUTPUT", "table")
    return Invocation(
        output=output if output in FORMATS else "table",
        debug=_is_set("PROTEM_DEBUG"),
        no_input=_is_set("PROTEM_NO_INPUT"),
    )


def _is_set(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def _usage(error: click.ClickException) -> CommandFailedError:
    path, next_step = "protem", None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        path = error.ctx.command_path
        if error.message.startswith("No such command") and error.ctx.parent is None:
            next_step = _nearest(error.message)
    code = "usage" if isinstance(error, click.UsageError) else "error"
    return CommandFailedError(
        error.format_message(), error_code=code, next_step=next_step or f"{path} --help"
    )


def _nearest(message: str) -> str | None:
    from difflib import get_close_matches  # only for someone who mistyped

    near = get_close_matches(message.split("'")[1], SUMMARIES, n=1)
    return f"protem {near[0]}" if near else None


def _report(error: ProtemError, invocation: Invocation) -> int:
    if invocation.machine_readable:
        text = as_document(error, invocation.output)
    else:
        text = as_lines(error)
        if wants_color(sys.stderr, invocation.color):
            text = text.replace("error:", "\033[31merror:\033[0m", 1)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    return exit_code_of(error)


def _traceback_if_asked(invocation: Invocation) -> None:
    if invocation.debug:
        import traceback  # only for --debug

        traceback.print_exc()
