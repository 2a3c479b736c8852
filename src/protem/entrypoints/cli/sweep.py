"""``protem sweep``: end what is past its own deadline at a target; needs no server."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import click

from protem.bootstrap import command_line
from protem.domain.durations import format_duration
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
from protem.services.sweep_target import SweepReport


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
    report = asyncio.run(command_line.sweep_at(address, dry_run=dry_run))
    if current().machine_readable:
        data(document({"dry_run": dry_run, **_fields(report)}, current().output))
    else:
        for name in report.ended:
            data(f"{'past its deadline' if dry_run else 'ended'}: {printable(name)}")
        for name, left in report.kept:
            data(f"within its time: {printable(name)}, {format_duration(left)} left")
        if report.strays:
            done = "found" if dry_run else "cut"
            data(f"{done}: {report.strays} sessions of accounts that no longer exist")
        for name, why in report.failed:
            say(f"NOT ended: {printable(name)}: {printable(why)}")
        if not (report.ended or report.kept or report.strays or report.failed):
            data("nothing of Protem's is there")
    sys.stdout.flush()
    return bool(report.failed)


def _fields(report: SweepReport) -> dict[str, Any]:
    return {
        "at": format_instant(report.at),
        "ended": list(report.ended),
        "kept": [
            {"name": name, "seconds_left": int(left.total_seconds())} for name, left in report.kept
        ],
        "failed": [{"name": name, "reason": why} for name, why in report.failed],
        "strays": report.strays,
    }
