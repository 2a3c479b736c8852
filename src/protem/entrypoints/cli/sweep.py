"""``protem sweep``: end what is past its own deadline at a target; needs no server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import click

from protem.bootstrap import command_line
from protem.domain.errors import ProtemError
from protem.domain.instants import format_instant
from protem.domain.secret import Secret
from protem.entrypoints.cli.ask_options import Length
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import as_lines
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.plan import checked_address, may_ask_password, with_password
from protem.entrypoints.cli.terminal import data, say
from protem.entrypoints.cli.untrusted_text import printable


@click.command(name="sweep")
@click.option("--target", required=True, metavar="URI", help="postgresql://admin@host/database")
@click.option("--dry-run", is_flag=True, help="Say what is past its deadline; end nothing.")
@click.option("--every", type=Length(), metavar="TIME", help="Go on for ever at this period.")
@common_options
def command(*, target: str, dry_run: bool, every: int | None) -> int:
    r"""End every Protem privilege at a target that is past its own deadline, and its sessions.

    \b
    protem sweep --target postgresql://protem_admin@localhost/shop
    protem sweep --target postgresql://protem_admin@localhost/shop --every 30s

    The deadline is read from the target itself: run it from cron or a timer beside the target, and
    access ends with the control plane dead. The password comes from PGPASSWORD, the password
    file, or a prompt.
    """
    address = checked_address(target)
    while True:
        try:
            failed = _sweep(address, dry_run=dry_run)
        except ProtemError as error:
            if may_ask_password(error, target):
                address = with_password(target)
                continue
            if every is None:
                raise
            say(as_lines(error))
            failed = True
        if every is None:
            return ExitCode.ERROR if failed else ExitCode.OK
        time.sleep(every)


def _sweep(address: Secret, *, dry_run: bool) -> bool:
    """Sweep once and say what was found; return whether something could not be ended."""
    at, swept = asyncio.run(command_line.sweep_at(address, dry_run=dry_run))
    found: dict[str, Any] = command_line.swept_form(swept)
    if current().machine_readable:
        data(document({"at": format_instant(at), "dry_run": dry_run, **found}, current().output))
    else:
        for name in found["ended"]:
            data(f"{'past its deadline' if dry_run else 'ended'}: {printable(name)}")
        for name, why in found["failed"].items():
            data(f"NOT ended: {printable(name)}: {printable(why)}")
        for name in found["left"]:
            data(f"within its time: {printable(name)}")
        if not (found["ended"] or found["failed"] or found["left"]):
            data("nothing of Protem's is there")
    return bool(found["failed"])
