"""``protem sweep``: end what is past its own deadline at a target; needs no server.

Here: one pass or one after another, and what is said of them. Not here: what a pass does
(services.sweep_target).

Invariants, for ``--every``:
- Nothing that a target does ends it; only a command line that can never work does, at once.
- A failure is said once, not at each pass, and so is that it is over.
- It may be ended at any instruction: whatever was begun, the next pass finishes. So a signal does
  not wait for a target to answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import click

from protem.bootstrap import command_line
from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError, ProtemError
from protem.domain.instants import format_instant
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.ask_options import Length
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError, as_document, as_lines
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.plan import checked_address, may_ask_password, with_password
from protem.entrypoints.cli.terminal import data, say
from protem.services.sweep_target import SweepReport

_AFTER_DEADLINE_SECONDS = 0.5
"""A control plane that lives ends a grant within this; two that do it at once only collide."""
_MOST_REMEMBERED = 100


@click.command(name="sweep")
@click.option("--target", required=True, metavar="URI", help="postgresql://admin@host/database")
@click.option("--dry-run", is_flag=True, help="Say what is past its deadline; end nothing.")
@click.option("--every", type=Length(), metavar="TIME", help="Go on: after at most this time.")
@common_options
def command(*, target: str, dry_run: bool, every: int | None) -> int:
    r"""End every Protem privilege at a target that is past its own deadline, and its sessions.

    \b
    protem sweep --target postgresql://protem_admin@localhost/shop
    protem sweep --target postgresql://protem_admin@localhost/shop --every 30s

    The deadline is read from the target itself: run it from cron or a timer beside the target, and
    access ends with the control plane dead. With --every it goes on, whatever the target does, and
    a deadline that it has seen is not waited over. The password comes from PGPASSWORD, the password
    file, or a prompt.
    """
    address = checked_address(target)
    if every is not None:
        _end_when_told()
    told = _Told()
    while True:
        pause: float = every or 0
        try:
            report = asyncio.run(command_line.sweep_at(address, dry_run=dry_run))
        except InvalidError:
            raise
        except Exception as error:
            if isinstance(error, ProtemError) and may_ask_password(error, target):
                address = with_password(target)
                continue
            if every is None:
                raise
            told.failure(error)
        else:
            told.report(report, dry_run=dry_run)
            if every is None:
                return ExitCode.ERROR if report.failed else ExitCode.OK
            pause = _pause(report, every)
        time.sleep(pause)


def _pause(report: SweepReport, every: int) -> float:
    """Return the seconds until the next pass: the period, or less if a deadline comes sooner."""
    soonest = min((left.total_seconds() for _, left in report.kept), default=float(every))
    return min(every, soonest + _AFTER_DEADLINE_SECONDS)


def _end_when_told() -> None:
    """End at once on SIGTERM (0) and SIGINT (130).

    As a container's first process it would not notice SIGTERM otherwise.
    """
    error = CommandFailedError("interrupted", error_code="interrupted")
    last_words = f"{_wording(error)}\n".encode()

    def end(number: int, _: object) -> None:
        if number == signal.SIGTERM:
            os._exit(ExitCode.OK)
        os.write(sys.stderr.fileno(), last_words)
        os._exit(ExitCode.INTERRUPTED)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


@dataclass(slots=True, kw_only=True)
class _Told:
    """Says what a pass found, and of what was said before only that it is over.

    Attributes:
        errors: why the target could not be read, since it last was.
        last: what the last pass found.
    """

    errors: set[str] = field(default_factory=set)
    last: SweepReport | None = None

    def failure(self, error: Exception) -> None:
        """Say why a pass failed, once for the same words."""
        if not isinstance(error, ProtemError):
            # The text of a foreign exception may hold what must not be shown.
            error = CommandFailedError(f"unexpected {type(error).__name__}; the sweep goes on")
        if error.message in self.errors:
            return
        if len(self.errors) >= _MOST_REMEMBERED:
            self.errors.clear()
        self.errors.add(error.message)
        say(_wording(error))

    def report(self, report: SweepReport, *, dry_run: bool) -> None:
        """Say what a pass found: the first all of it, the others what they did."""
        if self.errors:
            say("the target answers again")
            self.errors.clear()
        if current().machine_readable:
            data(document({"dry_run": dry_run, **_fields(report)}, current().output))
        else:
            self._lines(report, dry_run=dry_run)
        self.last = report

    def _lines(self, report: SweepReport, *, dry_run: bool) -> None:
        for name in report.ended:
            if not (dry_run and self.last and name in self.last.ended):
                data(f"{'past its deadline' if dry_run else 'ended'}: {printable(name)}")
        if self.last is None:
            for name, left in report.kept:
                data(f"within its time: {printable(name)}, {format_duration(left)} left")
        if report.strays and not (dry_run and self.last and self.last.strays == report.strays):
            done = "found" if dry_run else "cut"
            data(f"{done}: {report.strays} sessions of accounts that no longer exist")
        for name, why in report.failed:
            if self.last is None or (name, why) not in self.last.failed:
                say(f"NOT ended: {printable(name)}: {printable(why)}")
        if self.last is None and not (
            report.ended or report.kept or report.strays or report.failed
        ):
            data("nothing of Protem's is there")


def _wording(error: ProtemError) -> str:
    if current().machine_readable:
        return as_document(error, current().output)
    return as_lines(error)


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
