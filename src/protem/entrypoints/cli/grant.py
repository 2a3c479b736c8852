"""``protem grant``: grants, yours and those you may see."""

from __future__ import annotations

from typing import Any

import click

from protem.domain.identifiers import GrantId
from protem.entrypoints.cli.access import give_back
from protem.entrypoints.cli.api_client import connect, items_of, object_of, path_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.request_view import request_page
from protem.entrypoints.cli.status import grant_table
from protem.entrypoints.cli.terminal import data

STATES = (
    "pending",
    "approved",
    "provisioning",
    "active",
    "ending",
    "stuck",
    "ended",
    "denied",
    "cancelled",
    "lapsed",
)


@click.group(name="grant")
def command() -> None:
    """List, show and revoke grants."""


@command.command(name="ls")
@click.option("--state", type=click.Choice(STATES), help="Only this state.")
@click.option("--mine", is_flag=True, help="Only your own.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@common_options
def ls(*, state: str | None, mine: bool, limit: int) -> None:
    """List grants, newest first."""
    list_items("/v1/grants", {"state": state, "mine": mine, "limit": limit}, "grants")


@command.command(name="show")
@click.argument("grant_id", metavar="ID")
@common_options
def show(*, grant_id: str) -> None:
    """Show one grant."""
    with connect() as client:
        grant = object_of(client.get(path_of("grants", GrantId(grant_id))))
    if current().machine_readable:
        data(document({"grant": grant}, current().output))
    else:
        data(request_page(grant))


@command.command(name="revoke")
@click.argument("grant_id", metavar="ID")
@common_options
def revoke(*, grant_id: str) -> None:
    """End someone's grant now: live sessions are cut, the privilege is removed."""
    with connect() as client:
        grant = give_back(client, GrantId(grant_id))
    if current().machine_readable:
        data(document({"grant": grant}, current().output))


def list_items(path: str, query: dict[str, Any], name: str) -> None:
    """Print a listing of grants or requests; ``next`` in it continues where it stopped."""
    given = {key: "true" if value is True else value for key, value in query.items() if value}
    with connect() as client:
        answer = client.get(path, given)
    items = items_of(answer)
    following = answer.get("next") if isinstance(answer, dict) else None
    if current().machine_readable:
        data(document({name: items, "next": following}, current().output))
    elif items:
        data(grant_table(items, who=True))
    else:
        data(f"No {name}.")


def only_open_grant() -> str:
    """Return the id of the caller's only active grant.

    Raises:
        CommandFailedError: there is none, or more than one.
    """
    with connect() as client:
        found = items_of(client.get("/v1/grants", {"mine": "true", "state": "active"}))
    if len(found) == 1:
        return GrantId(str(found[0].get("id")))
    if not found:
        raise CommandFailedError("you have no active grant", next_step="protem status")
    raise CommandFailedError(
        f"you have {len(found)} active grants; say which",
        error_code="usage",
        next_step="protem status",
    )
