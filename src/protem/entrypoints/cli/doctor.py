"""``protem doctor``: what needs attention, with a next step each."""

from __future__ import annotations

import shutil
from typing import Any

import click

from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import connect
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.findings_view import exit_code_for, print_finding
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.terminal import data


@click.command(name="doctor")
@common_options
def command() -> int:
    """Check this machine and, for administrators, the server: orphans, stuck grants, keys, clock.

    The exit code is 1 when any finding is an error or critical.
    """
    findings = [*_of_this_machine(), *_of_the_server()]
    if current().machine_readable:
        data(document({"findings": findings}, current().output))
    else:
        for found in findings:
            print_finding(found)
    return exit_code_for(findings)


def _of_this_machine() -> list[dict[str, Any]]:
    psql = shutil.which("psql")
    found = [
        _finding("ok", "psql", psql)
        if psql
        else _finding(
            "warning",
            "psql",
            "not installed; statements run with psycopg, open sessions do not",
            "apt install postgresql-client",
        )
    ]
    try:
        found.append(_finding("ok", "state folder", str(client_state.state_folder())))
        client_state.last_server()
        client_state.configured_server()
    except CommandFailedError as error:
        found.append(_finding("error", "state folder", error.message, error.next_step))
    return found


def _of_the_server() -> list[dict[str, Any]]:
    """Return the server's findings; that it cannot be asked is a finding too."""
    try:
        with connect() as client:
            answer = client.get("/v1/doctor")
    except CommandFailedError as error:
        grave = error.error_code not in ("denied", "policy_denied", "unauthenticated")
        return [_finding("error" if grave else "warning", "server", error.message, error.next_step)]
    listed = answer.get("findings") if isinstance(answer, dict) else None
    found = [item for item in (listed or []) if isinstance(item, dict)]
    return found or [_finding("ok", "server", f"{client.server} has no findings")]


def _finding(
    severity: str, subject: str, message: str, next_step: str | None = None
) -> dict[str, Any]:
    return {"severity": severity, "subject": subject, "message": message, "next_step": next_step}
