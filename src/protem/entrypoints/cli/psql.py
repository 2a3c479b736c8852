"""``protem psql``: a session under a profile, or ``run`` when the arguments say what."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from protem.entrypoints.cli.api_client import connect, object_of, path_of
from protem.entrypoints.cli.ask_options import (
    Length,
    Wish,
    break_glass_options,
    evidence_options,
    start_option,
    why_options,
)
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options
from protem.entrypoints.cli.psql_arguments import parse_psql
from protem.entrypoints.cli.run import patience_of, run_wish


@click.command(name="psql", context_settings={"allow_interspersed_args": True})
@click.argument("target")
@click.option("--profile", metavar="NAME", help="A scope that an administrator named.")
@why_options
@start_option
@evidence_options
@break_glass_options
@click.option("--no-wait", is_flag=True, help="Print the id and leave when people must approve.")
@click.option("--wait", type=Length(), metavar="TIME", help="Wait at most this long for people.")
@click.option("--keep", is_flag=True, help="Do not give the grant back at the end.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@common_options
def command(  # noqa: PLR0913  # one parameter for each option
    *,
    target: str,
    profile: str | None,
    seconds: int,
    reason: str,
    ticket: str,
    start: datetime | None,
    links: tuple[str, ...],
    explain: bool,
    break_glass: bool,
    confirm_target: str | None,
    no_wait: bool,
    wait: int | None,
    keep: bool,
    arguments: tuple[str, ...],
) -> int:
    r"""Open psql at TARGET under a profile; with psql arguments, run just what they say.

    \b
    protem psql orders-db --profile read-only --why INC-421
    protem psql orders-db -- -c "select ..."
    """
    argv = ("psql", *arguments)
    interactive = parse_psql(argv).reads_standard_input and sys.stdin.isatty()
    if profile is None and interactive:
        profile = _only_profile(target)
    wish = Wish(
        target=target,
        argv=argv,
        seconds=seconds,
        reason=reason,
        ticket=ticket,
        start=start,
        links=links,
        explain=explain,
        profile=profile,
        break_glass=break_glass,
        confirm_target=confirm_target,
    )
    return run_wish(wish, patience_of(no_wait=no_wait, wait=wait), keep=keep)


def _only_profile(target: str) -> str:
    """Return the target's profile when there is exactly one; a choice is the user's."""
    with connect() as client:
        found = object_of(client.get(path_of("targets", target)))
    names = sorted(map(str, found.get("profiles") or []))
    if len(names) == 1:
        return names[0]
    if not names:
        raise CommandFailedError(
            f"{target} has no profile for an open session",
            error_code="usage",
            next_step=f'protem run --on {target} -- psql -c "select ..."',
        )
    raise CommandFailedError(
        f"{target} has several profiles: {', '.join(names)}",
        error_code="usage",
        next_step=f"protem psql {target} --profile {names[0]}",
    )
