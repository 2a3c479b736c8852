"""``protem run``: ask for what a command needs, run it, give it back."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from protem.domain.identifiers import GrantId
from protem.entrypoints.cli.access import Access
from protem.entrypoints.cli.api_client import connect
from protem.entrypoints.cli.ask_options import (
    Length,
    Wish,
    break_glass_options,
    evidence_options,
    read_inputs,
    start_option,
    why_options,
)
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.session import (
    Session,
    check_runnable,
    run_session,
    termination_as_exit,
)
from protem.entrypoints.cli.terminal import data, say
from protem.entrypoints.cli.waiting import StillPendingError


@click.command(name="run", context_settings={"allow_interspersed_args": False})
@click.option("--on", "target", metavar="TARGET", help="Where, by its name in the catalogue.")
@why_options
@start_option
@evidence_options
@break_glass_options
@click.option("--no-wait", is_flag=True, help="Print the id and leave when people must approve.")
@click.option("--wait", type=Length(), metavar="TIME", help="Wait at most this long for people.")
@click.option("--keep", is_flag=True, help="Do not give the grant back at the end.")
@click.option("--resume", "grant_id", metavar="ID", help="Go on with a request or a kept grant.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@common_options
def command(  # noqa: PLR0913  # one parameter for each option
    *,
    target: str | None,
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
    grant_id: str | None,
    argv: tuple[str, ...],
) -> int:
    r"""Ask for what a command needs, wait for approval, run it, give the grant back.

    \b
    protem run --on orders-db --for 15m --why INC-421 -- psql -c "select ..."
    protem run --on orders-db -- psql -f fix.sql
    protem run --at 22:00 --on orders-db -- psql -f fix.sql
    protem run --resume ID
    protem run --break-glass --on orders-db --why "site is down" -- psql -c "..."

    The exit code is the command's own once it has started; see `protem help exit-codes`.
    """
    patience = patience_of(no_wait=no_wait, wait=wait)
    if grant_id is not None:
        if argv or target:
            raise click.UsageError("--resume runs what was asked for; give no command and no --on")
        return resume_grant(GrantId(grant_id), patience, keep=keep)
    if target is None or not argv:
        raise click.UsageError("say where and what: protem run --on TARGET -- psql ...")
    wish = Wish(
        target=target,
        argv=argv,
        seconds=seconds,
        reason=reason,
        ticket=ticket,
        start=start,
        links=links,
        explain=explain,
        break_glass=break_glass,
        confirm_target=confirm_target,
    )
    return run_wish(wish, patience, keep=keep)


def patience_of(*, no_wait: bool, wait: int | None) -> float | None:
    """Return the most seconds to wait for people; None is for ever, and only at a terminal."""
    if no_wait:
        return 0
    if wait is not None:
        return wait
    return None if sys.stderr.isatty() and not current().no_input else 0


def run_wish(wish: Wish, patience: float | None, *, keep: bool) -> int:
    """Ask for ``wish``, run it, give it back; return the command's exit code."""
    check_runnable(wish.argv)
    inputs = read_inputs(wish.argv)
    with connect() as client, termination_as_exit():
        access = Access(client)
        try:
            if wish.break_glass:
                if wish.explain:
                    say("protem: no EXPLAIN is taken: an emergency waits for nothing")
                access.break_glass(wish, inputs)
            else:
                access.ask(wish, inputs, patience)
            session = Session(
                grant=access.grant,
                password=access.password,
                argv=wish.argv,
                inputs=inputs,
                exact=wish.profile is None,
            )
            code = run_session(client, session)
            if keep:
                access.keep(wish.argv, inputs)
        except StillPendingError:
            data(str(access.grant.get("id", "")))
            raise
        finally:
            access.give_back()
    return code


def resume_grant(grant_id: GrantId, patience: float | None, *, keep: bool) -> int:
    """Run what ``grant_id`` was asked for, on this machine, with its approved inputs."""
    with connect() as client, termination_as_exit():
        access = Access(client)
        try:
            argv, inputs = access.resume(grant_id, patience)
            check_runnable(argv)
            session = Session(
                grant=access.grant, password=access.password, argv=argv, inputs=inputs
            )
            code = run_session(client, session)
            if keep:
                access.keep(argv, inputs)
        finally:
            access.give_back()
    return code
