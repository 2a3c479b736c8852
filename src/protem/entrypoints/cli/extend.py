"""``protem extend``: ask for more time."""

from __future__ import annotations

import click

from protem.domain.durations import parse_duration
from protem.domain.identifiers import GrantId
from protem.entrypoints.cli.access import note_held
from protem.entrypoints.cli.api_client import connect, object_of, path_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.grant import only_open_grant
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import moment_text
from protem.entrypoints.cli.terminal import data, say


@click.command(name="extend")
@click.argument("words", nargs=-1, required=True, metavar="[ID] BY")
@click.option("--why", "reason", default="", metavar="TEXT", help="Reason, for approvers.")
@common_options
def command(*, words: tuple[str, ...], reason: str) -> int:
    """Ask for more time on a grant: protem extend 15m. It is decided like a new request."""
    if len(words) > 2:  # noqa: PLR2004  # an id and a length
        raise click.UsageError("protem extend [ID] BY")
    seconds = int(parse_duration(words[-1]).total_seconds())
    grant_id = GrantId(words[0]) if len(words) > 1 else only_open_grant()
    with connect() as client:
        body = {"by_seconds": seconds, "reason": reason}
        grant = object_of(client.post(path_of("grants", grant_id, "extend"), body))
    note_held(grant)
    waits = bool(grant.get("proposed_revision"))
    if current().machine_readable:
        data(document({"grant": grant}, current().output))
    elif waits:
        say(f"The extension waits for approval; until then it ends {_ends(grant)}.")
    else:
        say(f"Extended: ends {_ends(grant)}.")
    return ExitCode.PENDING if waits else ExitCode.OK


def _ends(grant: dict[str, object]) -> str:
    return moment_text(grant.get("expires_at"))
