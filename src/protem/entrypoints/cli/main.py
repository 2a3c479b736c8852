"""The command line's front door.

Here: the pages that need nothing loaded, and the boundary where every error becomes its lines and
its exit code. Not here: the commands (command_tree).
"""

from __future__ import annotations

import os
import sys

from protem import __version__

_HELP = (["--help"], ["-h"])
_VERSION = (["--version"], ["version"])


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:] in _VERSION:
        _write(f"protem {__version__}\n")
    elif not sys.argv[1:] or sys.argv[1:] in _HELP:
        from protem.entrypoints.cli.front_page import front_page  # start-up time

        _write(front_page())
    elif sys.argv[1:] == ["prompt"]:
        from protem.entrypoints.cli.prompt_segment import segment  # a shell waits for it

        found = segment()
        _write(f"{found}\n" if found else "")
    else:
        from protem.entrypoints.cli.boundary import run_command_line  # as above

        sys.exit(run_command_line(sys.argv[1:]))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
