"""Findings of the doctor in text: what is wrong, and what to type.

Here: one finding as lines, and which of them make a command fail. Not here: finding anything.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.terminal import data, styled, width

_BAD = ("error", "critical")
"""What makes a command fail: an error of this machine, a critical finding of the server."""
_STYLES = {"error": "red", "critical": "red", "warning": "yellow", "ok": "green"}
_INDENT = " " * 9


def print_finding(found: Mapping[str, Any]) -> None:
    """Print one finding; what to type is never folded, so that it can be copied."""
    severity = printable(found.get("severity", "?"))
    mark = styled(f"{severity:<8} ", _STYLES.get(severity, "bold"))
    said = f"{printable(found.get('subject', ''))}: {printable(found.get('message'))}"
    room = width() - len(_INDENT) if sys.stdout.isatty() else sys.maxsize
    lines = textwrap.wrap(said, room, break_long_words=False, break_on_hyphens=False)
    data(mark + f"\n{_INDENT}".join(lines))
    if found.get("next_step"):
        data(f"{_INDENT}try: {printable(found['next_step'])}")


def exit_code_for(findings: Iterable[Mapping[str, Any]]) -> ExitCode:
    """Return what a command ends with that showed these."""
    bad = any(found.get("severity") in _BAD for found in findings)
    return ExitCode.ERROR if bad else ExitCode.OK
