"""``protem policy replay``: what a draft of the policy would have answered otherwise.

Here: arguments, and how the result is shown. Not here: the replay (services), which reads the
server's own store, so this runs on the server's host; a server may run meanwhile.

Exit codes: 0 nothing changes, 1 something changes or an error, 2 usage: the same as ``diff`` and
``protem policy test`` have, so that a pipeline stops where somebody should look.
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protem.domain.errors import InvalidError
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import FORMATS
from protem.entrypoints.cli.tables import columns

if TYPE_CHECKING:
    from protem.domain.decisions import Decision
    from protem.services.replay_policy import ReplayedChange, ReplayReport

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("replay")
@click.argument("draft", metavar="NEW_FOLDER", type=_FOLDER)
@click.option(
    "--against", type=_FOLDER, help="Compare with this folder; else with the policy in force."
)
@click.option("--since", default="30d", show_default=True, help="How far back, at most 30d.")
@click.option(
    "--limit",
    type=click.IntRange(0, 100_000),
    default=100,
    show_default=True,
    help="Changed requests to show; all are counted.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("protem.toml"),
    show_default=True,
    envvar="PROTEM_SERVER_CONFIG",
    help="The server's settings file.",
)
@click.option("-o", "--output", type=click.Choice(FORMATS), help="Default: table.")
@click.pass_context
def replay_command(  # noqa: PLR0913  # one parameter for each option
    context: click.Context,
    *,
    draft: Path,
    against: Path | None,
    since: str,
    limit: int,
    config: Path,
    output: str | None,
) -> None:
    """Ask NEW_FOLDER what was asked since then, and show what it answers otherwise.

    Requests are as they were recorded; groups of people, who is on call, and
    labels of targets are those of now.
    Exits 0 when nothing changes and 1 when something does.
    """
    _require_server()
    from protem.domain.durations import parse_duration  # start-up time

    report = _replay(config, draft, against, parse_duration(since), limit)
    shape = output or getattr(context.find_root().obj, "output", None) or "table"
    if shape == "table":
        _print_report(report)
    else:
        click.echo(document(report.to_json(), shape))
    context.exit(1 if report.changed else 0)


def _replay(
    config: Path, draft: Path, against: Path | None, since: timedelta, limit: int
) -> ReplayReport:
    import asyncio  # start-up time

    from protem.bootstrap.control_plane import open_control_plane  # the extra
    from protem.bootstrap.settings import load_settings  # the extra
    from protem.policy.cedar_policy import CedarPolicy  # the extra
    from protem.services.replay_policy import Replay, replay_policy  # the extra

    new = CedarPolicy.load(draft)
    old = None if against is None else CedarPolicy.load(against)
    asked = Replay(new=new, old=old, since=since, most_shown=limit)
    settings, folder = load_settings(config), config.absolute().parent

    async def run() -> ReplayReport:
        async with open_control_plane(settings, folder, serving=False) as plane:
            return await replay_policy(plane.around, asked)

    return asyncio.run(run())


def _require_server() -> None:
    from importlib.util import find_spec  # start-up time

    if any(find_spec(part) is None for part in ("cedarpy", "pydantic", "fastapi")):
        raise InvalidError(
            "a replay reads the server's store with parts that come with the server",
            next_step="pip install 'protem[server,postgresql]'",
        )


def _print_report(report: ReplayReport) -> None:
    for change in report.changes:
        _print_change(change)
    left = report.changed - len(report.changes)
    if left:
        click.echo(f"and {left} more; --limit N shows them\n")
    counted = [(kind.replace("_", " "), count) for kind, count in report.counts.most_common()]
    if counted:
        click.echo(columns(("CHANGE", "REQUESTS"), counted) + "\n")
        rules = [
            (side, rule, source or "-", count)
            for (side, rule, source), count in report.rules.most_common(20)
        ]
        click.echo(columns(("POLICY", "RULE", "AT", "REQUESTS"), rules) + "\n")
    _say_what_was_asked(report)


def _say_what_was_asked(report: ReplayReport) -> None:
    since = report.since.strftime("%Y-%m-%d %H:%M")
    click.echo(
        f"{report.asked} requests since {since} UTC, with the groups of now: "
        f"{report.changed} would be answered otherwise",
        err=True,
    )
    if report.drifted:
        click.echo(
            f"note: the old policy answers {report.drifted} of them otherwise today than was "
            "recorded: it, the groups or the labels changed since",
            err=True,
        )
    for reason, count in sorted(report.not_asked.items()):
        click.echo(f"note: {count} not asked: {printable(reason)}", err=True)


def _print_change(change: ReplayedChange) -> None:
    request, revision = change.request, change.request.revision
    what = f"profile {revision.profile}" if revision.profile else shlex.join(revision.command.argv)
    when = request.at.strftime("%Y-%m-%d %H:%M")
    click.echo(
        f"{when}  {revision.grant_id}  {printable(revision.principal.subject)}"
        f"  {printable(revision.target)}  {printable(what)}"
    )
    click.echo(f"  {_answer(change.old)}  ->  {_answer(change.new)}")
    for side, found in change.rules:
        where = f" ({printable(found.source)})" if found.source else ""
        click.echo(f"    {side}: {printable(found.rule)}{where}: {printable(found.message)}")
    click.echo()


def _answer(decision: Decision) -> str:
    from protem.domain.durations import format_duration  # start-up time
    from protem.policy.policy_cases import describe_approval  # start-up time

    parts: list[Any] = [str(decision.outcome).replace("_", " ")]
    parts += [describe_approval(need) for need in decision.approvals]
    if decision.longest is not None:
        parts.append(f"at most {format_duration(decision.longest)}")
    return printable(", ".join(parts))
