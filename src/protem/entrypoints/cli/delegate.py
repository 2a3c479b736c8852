"""``protem delegate``: who answers requests in your place while you are away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from protem.domain.delegations import DelegationId
from protem.domain.instants import format_instant
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import connect, items_of, object_of, path_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import moment_text
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import data, say
from protem.entrypoints.cli.waiting import person_text


class LocalMoment(click.ParamType[str]):
    """``2026-12-01T18:00``, by the clock of this machine unless a zone is written."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return RFC 3339."""
        try:
            return format_instant(datetime.fromisoformat(str(value)).astimezone())
        except (ValueError, OverflowError):
            self.fail(f"{value!a} is no moment; write 2026-12-01T18:00", param, ctx)


@click.group(name="delegate")
def command() -> None:
    """Let somebody answer in your place until a moment, see who does, end it."""


@command.command(name="add")
@click.option("--to", required=True, metavar="WHO", help="NAME, or ISSUER|SUBJECT.")
@click.option("--until", required=True, type=LocalMoment(), metavar="2026-12-01T18:00")
@click.option("--group", metavar="GROUP", help="Only what this group of yours is asked.")
@common_options
def add(*, to: str, until: str, group: str | None) -> None:
    """Let WHO fill the places of your groups; never for requests of yours or theirs."""
    body = {"to": to, "until": until, **({"group": group} if group else {})}
    with connect() as client:
        made = object_of(client.post("/v1/delegations", body))
    if current().machine_readable:
        data(document({"delegation": made}, current().output))
    else:
        who, end = person_text(made.get("delegate")), moment_text(made.get("until"))
        say(f"{printable(who)} answers in your place, ends {end}.")


@command.command(name="ls")
@common_options
def ls() -> None:
    """List those in force, from you and to you."""
    with connect() as client:
        items = items_of(client.get("/v1/delegations"))
    if current().machine_readable:
        data(document({"delegations": items}, current().output))
        return
    rows = [
        (
            one.get("id", "?"),
            person_text(one.get("delegator")),
            person_text(one.get("delegate")),
            one.get("group") or "all",
            moment_text(one.get("until")),
        )
        for one in items
    ]
    header = ("ID", "FOR", "ANSWERS", "GROUP", "UNTIL")
    data(columns(header, rows) if rows else "Nobody answers in your place, nor you for another.")


@command.command(name="rm")
@click.argument("delegation_id", metavar="ID")
@common_options
def rm(*, delegation_id: str) -> None:
    """End one now."""
    with connect() as client:
        path = path_of("delegations", DelegationId(delegation_id), "end")
        ended = object_of(client.post(path))
    if current().machine_readable:
        data(document({"delegation": ended}, current().output))
    else:
        say(f"Delegation {printable(ended.get('id'))} is over.")
