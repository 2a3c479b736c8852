"""Errors as the user meets them: what happened, which rule, what to type next.

Here: the one error of the command line and the three lines (or the JSON) it becomes on standard
error. Not here: deciding that something failed.

Invariants: no traceback without ``--debug``; everything from elsewhere goes through ``printable``;
the exit code follows from the error's stable code alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protem.domain.errors import ProtemError
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode, of_error_code

MAX_RULES = 5


class CommandFailedError(ProtemError):
    """A command cannot go on.

    Attributes:
        error_code: stable, as in the API's problems; it decides the exit code.
        decision: policy's answer when it was policy that said no.
        request_id: what the server's own log calls the failed call.
    """

    def __init__(
        self,
        message: str,
        *,
        error_code: str = "error",
        next_step: str | None = None,
        decision: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.error_code = error_code
        self.decision = decision
        self.request_id = request_id


def exit_code_of(error: ProtemError) -> ExitCode:
    """Return the exit code that ``error`` ends the program with."""
    return of_error_code(_code(error))


def as_lines(error: ProtemError) -> str:
    """Return the lines for a person: ``error:``, ``rule:`` and ``try:``.

    What only takes longer than asked to wait for is no error, and says ``pending:``.
    """
    head = "pending" if _code(error) == "pending" else "error"
    lines = [f"{head}: {printable(error.message)}"]
    for finding in _blocking(error)[:MAX_RULES]:
        where = printable(finding.get("source") or "")
        lines.append(f"rule: {printable(finding.get('rule', '?'))}" + (where and f" ({where})"))
        said = str(finding.get("message") or "")
        if said and said != error.message:
            lines[-1] += f": {printable(said)}"
    if error.next_step:
        lines.append(f"try: {printable(error.next_step)}")
    if isinstance(error, CommandFailedError) and error.request_id and _code(error) == "error":
        lines.append(f"the server's log has it as {printable(error.request_id)}")
    return "\n".join(lines)


def as_document(error: ProtemError, output: str) -> str:
    """Return the same for a program."""
    body: dict[str, Any] = {
        "code": _code(error),
        "message": error.message,
        "next_step": error.next_step,
        "exit_code": int(exit_code_of(error)),
    }
    if isinstance(error, CommandFailedError):
        body |= {"decision": error.decision, "request_id": error.request_id}
    return document({"error": body}, output)


def _code(error: ProtemError) -> str:
    return error.error_code if isinstance(error, CommandFailedError) else error.code


def _blocking(error: ProtemError) -> list[Mapping[str, Any]]:
    decision = error.decision if isinstance(error, CommandFailedError) else None
    findings = (decision or {}).get("findings") or []
    return [
        found
        for found in findings
        if isinstance(found, Mapping) and found.get("status") != "satisfied"
    ]
