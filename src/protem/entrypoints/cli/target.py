"""``protem target``: the declared targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import connect, items_of, object_of, path_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.findings_view import exit_code_for, print_finding
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import capability_lines
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import data, width


@click.group(name="target")
def command() -> None:
    """List and check targets."""


@command.command(name="ls")
@common_options
def ls() -> None:
    """List the targets that you may know of."""
    with connect() as client:
        targets = items_of(client.get("/v1/targets"))
    if current().machine_readable:
        data(document({"targets": targets}, current().output))
    else:
        data(target_table(targets))


@command.command(name="check")
@click.argument("name")
@common_options
def check(*, name: str) -> int:
    """Show one target: what it enforces by itself, and findings about it (administrators).

    The exit code is 1 when any finding is critical.
    """
    with connect() as client:
        target = object_of(client.get(path_of("targets", name)))
        findings = _findings(client.get("/v1/doctor"), name)
    if current().machine_readable:
        data(document({"target": target, "findings": findings}, current().output))
    else:
        data(f"{printable(name)} ({printable(target.get('scheme', '?'))})")
        for line in capability_lines(target.get("capabilities") or {}):
            data(f"  {line}")
        for found in findings:
            print_finding(found)
        if not findings:
            data("no findings")
    return exit_code_for(findings)


def target_table(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return one line a target."""
    rows = [
        [
            target.get("name", "?"),
            target.get("scheme", "?"),
            _pairs(target.get("labels")),
            ", ".join(sorted(map(str, target.get("profiles") or []))) or "-",
        ]
        for target in targets
    ]
    if not rows:
        return "No targets that you may know of."
    return columns(["TARGET", "KIND", "LABELS", "PROFILES"], rows, elastic=2, width=width())


def _pairs(labels: Any) -> str:
    given = labels if isinstance(labels, Mapping) else {}
    return " ".join(f"{key}={value}" for key, value in sorted(given.items())) or "-"


def _findings(answer: Any, name: str) -> list[dict[str, Any]]:
    found = answer.get("findings") if isinstance(answer, dict) else None
    items = found if isinstance(found, list) else []
    return [
        item
        for item in items
        if isinstance(item, dict) and str(item.get("subject", "")).split("/")[0] == name
    ]
