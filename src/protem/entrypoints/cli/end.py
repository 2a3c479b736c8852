"""``protem end``: give a grant back now."""

from __future__ import annotations

import click

from protem.domain.identifiers import GrantId
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.access import give_back
from protem.entrypoints.cli.api_client import ApiClient, connect, items_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.grant import only_open_grant
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.terminal import data, say


@click.command(name="end")
@click.argument("grant_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="All your active grants.")
@common_options
def command(*, grant_id: str | None, everything: bool) -> int:
    """Give back ID, or your only active grant, or all of them. Live sessions are cut.

    Exits 5 while the target has not been read back yet: the end is on record and goes on.
    """
    if everything and grant_id:
        raise click.UsageError("give ID or --all, not both")
    failed = False
    ended = []
    if everything:
        with connect() as client:
            ids = _active_ids(client)
        if not ids:
            say("You have no active grant.")
    else:
        ids = [GrantId(grant_id) if grant_id else only_open_grant()]
    with connect() as client:
        for one in ids:
            try:
                ended.append(give_back(client, GrantId(one)))
            except CommandFailedError as error:
                if not everything:
                    raise
                failed = True
                say(f"{printable(one)}: {printable(error.message)}")
    if current().machine_readable:
        data(document({"grants": ended}, current().output))
    if failed:
        return ExitCode.ERROR
    under_way = any(grant.get("state") in ("ending", "stuck") for grant in ended)
    return ExitCode.PENDING if under_way else ExitCode.OK


def _active_ids(client: ApiClient) -> list[str]:
    """Return the id of every active grant of ours, page after page."""
    query = {"mine": "true", "state": "active", "limit": "100"}
    ids: list[str] = []
    while True:
        page = client.get("/v1/grants", query)
        ids += [str(grant.get("id")) for grant in items_of(page)]
        if not page.get("next"):
            return ids
        query["before"] = str(page["next"])
