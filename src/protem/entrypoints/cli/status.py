"""``protem status``: who am I, where, what have I got, what waits."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from protem.domain.untrusted_text import printable
from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import connect, items_of, object_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.request_view import state_text
from protem.entrypoints.cli.review_table import review_table
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import data, say, width
from protem.entrypoints.cli.waiting import person_text

_OPEN = ("pending", "approved", "provisioning", "active", "ending", "stuck")


@click.command(name="status")
@common_options
def command() -> int:
    """Show who you are, your grants with the time left, and what waits for you."""
    try:
        client = connect()
    except CommandFailedError as error:
        if error.error_code != "unauthenticated" or current().machine_readable:
            raise
        say(f"{printable(error.message)}. `plan` and `sweep` with a URI work without a server.")
        say(f"try: {printable(error.next_step)}")
        return ExitCode.LOGIN_NEEDED
    with client:
        me = object_of(client.get("/v1/me"))
        mine = items_of(
            client.get("/v1/grants", {"mine": "true", "state": list(_OPEN), "limit": 100})
        )
        waiting = items_of(client.get("/v1/requests", {"to_review": "true", "limit": 100}))
        glass = items_of(client.get("/v1/glass-reviews"))
    grants = [grant for grant in mine if grant.get("state") in _OPEN]  # whatever the server sent
    with contextlib.suppress(CommandFailedError):  # a prompt that is behind is no failure
        client_state.hold_only([grant for grant in grants if grant.get("state") == "active"])
    if current().machine_readable:
        fields = {"server": client.server, "principal": me, "grants": grants, "to_review": waiting}
        fields |= {"glass_reviews": glass}
        data(document(fields, current().output))
        return ExitCode.OK
    groups = me.get("groups")
    listed = f" ({', '.join(map(str, groups))})" if isinstance(groups, list) and groups else ""
    data(f"{printable(person_text(me))}{printable(listed)} at {client.server}")
    data("\n" + grant_table(grants) if grants else "\nNo grants: you hold nothing.")
    if waiting:
        data(f"\nWaiting for your review:\n{grant_table(waiting, who=True)}")
    if glass:
        data(f"\nBroken glass, to be reviewed:\n{review_table(glass)}")
    return ExitCode.OK


def grant_table(grants: Sequence[Mapping[str, Any]], *, who: bool = False) -> str:
    """Return one line a grant or request."""
    header = ["ID", *(["WHO"] if who else []), "TARGET", "STATE"]
    rows = [
        [
            grant.get("id", "?"),
            *([person_text(grant.get("principal"))] if who else []),
            grant.get("target", "?"),
            state_text(grant),
        ]
        for grant in grants
    ]
    return columns(header, rows, elastic=len(header) - 1, width=width())
