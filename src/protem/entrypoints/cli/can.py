"""``protem can``: what may I ask for, and what would policy say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from protem.domain.request_wording import privilege_text
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import ApiClient, connect, items_of, object_of, path_of
from protem.entrypoints.cli.ask_options import Wish, why_options
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import (
    capability_lines,
    decision_text,
    finding_lines,
    scope_rows,
)
from protem.entrypoints.cli.target import target_table
from protem.entrypoints.cli.terminal import data, styled


@click.command(name="can")
@click.argument("target", required=False)
@why_options
@common_options
def command(*, target: str | None, seconds: int, reason: str, ticket: str) -> None:
    """Show the targets, or what policy says about each profile of TARGET.

    A single command is judged by what it needs: `protem plan --on TARGET -- psql -c "..."`.
    """
    with connect() as client:
        if target is None:
            targets = items_of(client.get("/v1/targets"))
            if current().machine_readable:
                data(document({"targets": targets}, current().output))
            else:
                data(target_table(targets))
            return
        found = object_of(client.get(path_of("targets", target)))
        answers = {
            profile: _judged(
                client,
                Wish(
                    target=target,
                    argv=("psql",),
                    seconds=seconds,
                    reason=reason,
                    ticket=ticket,
                    profile=profile,
                ),
            )
            for profile in sorted(map(str, found.get("profiles") or []))
        }
    if current().machine_readable:
        data(document({"target": found, "profiles": answers}, current().output))
        return
    data("\n".join(_page(target, found, answers)))


def _judged(client: ApiClient, wish: Wish) -> dict[str, Any]:
    """Return the dry run of one profile; a refusal is an answer too."""
    try:
        answer = client.post("/v1/plans", wish.to_ask({}))
    except CommandFailedError as error:
        if error.error_code in ("unreachable", "unauthenticated"):
            raise
        decision = error.decision or {"outcome": error.message}
        return {"decision": dict(decision), "scope": []}
    return answer if isinstance(answer, dict) else {}


def _page(target: str, found: Mapping[str, Any], answers: Mapping[str, Any]) -> list[str]:
    lines = [f"{styled(printable(target), 'bold')} ({printable(found.get('scheme', '?'))})"]
    capabilities = found.get("capabilities")
    if isinstance(capabilities, Mapping):
        lines += [f"  {line}" for line in capability_lines(capabilities)]
    for profile, planned in answers.items():
        decision = planned.get("decision") or {}
        lines += ["", f"profile {styled(printable(profile), 'bold')}: {decision_text(decision)}"]
        lines += [f"  {privilege_text(row)}" for row in scope_rows(planned.get("scope"))]
        lines += [f"  {line}" for line in finding_lines(decision)]
    if not answers:
        lines += ["", "No profiles: ask by command."]
    lines += ["", f'One command: protem plan --on {printable(target)} -- psql -c "select ..."']
    return lines
