"""``protem server``: run the control plane, set it up, and keep its local accounts.

Here: the commands. Not here: what they do (bootstrap, services). They work on the settings file and
its state folder, on the server's own host; ``account`` works while the server runs, too.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from protem.domain.errors import InvalidError
from protem.domain.instants import format_instant
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import common_options, current

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from protem.bootstrap.plane import ControlPlane
    from protem.bootstrap.settings import Settings
    from protem.services.surroundings import Surroundings

T = TypeVar("T")
_config = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("protem.toml"),
    show_default=True,
    envvar="PROTEM_SERVER_CONFIG",
    help="The settings file.",
)


@click.group(name="server", invoke_without_command=True)
@_config
@common_options
@click.pass_context
def command(context: click.Context, config: Path) -> None:
    """Run the control plane until it is told to stop."""
    if context.invoked_subcommand is not None:
        return
    _need_extra()
    from protem.bootstrap.serving_process import run_server  # the extra
    from protem.bootstrap.settings import load_settings
    from protem.entrypoints.http_api.app import create_app
    from protem.entrypoints.web_ui.installation import install

    settings = load_settings(config)
    server = settings.server
    mounts = _mounts(settings, config.absolute().parent)
    run_server(
        settings,
        config.absolute().parent,
        lambda plane: install(
            create_app(plane, allowed_hosts=server.allowed_hosts, mounts=mounts(plane)),
            public_url=server.public_url,
        ),
    )


def _mounts(settings: Settings, folder: Path) -> Callable[[ControlPlane], Mapping[str, ASGIApp]]:
    """Return what is mounted beside the API, once there is a control plane.

    The tokens are read now, so that a server that cannot have them does not start.
    """
    from protem.bootstrap.declared_channels import slack_doors
    from protem.bootstrap.scim_settings import trusted_directories  # the extra

    directories = trusted_directories(settings.identity.scim, folder)
    doors = slack_doors(settings, folder)

    def mounts(plane: ControlPlane) -> Mapping[str, ASGIApp]:
        found: dict[str, ASGIApp] = {}
        if directories:
            from protem.entrypoints.scim.app import PREFIX, create_scim_app  # an extra of its own

            public_url = settings.server.public_url
            found[PREFIX] = create_scim_app(plane.around, directories, public_url=public_url)
        if doors:
            from protem.entrypoints.chat import slack  # an extra of its own

            found[slack.PREFIX] = slack.create_slack_app(plane.around, doors)
        return found

    return mounts


@command.command("notify-test")
@_config
@click.argument("channel")
@common_options
def notify_test(config: Path, channel: str) -> None:
    """Send a test notice to CHANNEL of [notifications] and say how it went."""
    _need_extra()
    from protem.bootstrap.notify_test import send_test_notice  # the extra
    from protem.bootstrap.settings import load_settings

    asyncio.run(send_test_notice(load_settings(config), config.absolute().parent, channel))
    _say(f"{channel} took a test notice")


@command.command("init")
@_config
@click.option("--administrator", default="admin", show_default=True, help="Its account's name.")
@common_options
def init(config: Path, administrator: str) -> None:
    """Make settings, keys, policy and an administrator, where missing."""
    _need_extra()
    from protem.bootstrap.initialise import initialise  # the extra

    done = asyncio.run(initialise(config.absolute(), administrator))
    for path in done.made:
        _say(f"made {path}")
    if done.token is None:
        _say(f"account {administrator} exists; a new one-time token for it:")
        _say(f"  protem server account token {administrator} --config {config}")
        return
    expires = format_instant(done.token.expires_at)
    _say(f"one-time token of {administrator}, good once until {expires}, shown only now:")
    _put(done.token.token.reveal(), {"token": done.token.token.reveal(), "expires_at": expires})


@command.group("account")
def account() -> None:
    """Keep local accounts; takes effect within a second."""


@account.command("add")
@click.argument("name")
@click.option("--display", help="The name people read.")
@click.option("--group", "groups", multiple=True, help="A group; may be repeated.")
@click.option("--kind", type=click.Choice(["person", "workload", "agent"]), default="person")
@click.option("--acts-for", help="The person an agent acts for.")
@_config
@common_options
def add(config: Path, name: str, **given: Any) -> None:
    """Add an account and print a one-time token for it."""
    _need_extra()
    from protem.bootstrap.settings import UserSettings, principal_of  # the extra
    from protem.services.manage_accounts import add_account, issue_token

    user = UserSettings(**{**given, "groups": list(given["groups"])})
    principal = principal_of(name, user)

    async def work(around: Surroundings) -> str:
        await add_account(around, _OPERATOR, principal)
        return (await issue_token(around, _OPERATOR, principal.id)).token.reveal()

    token = _on_store(config, work)
    _say(f"account {name} added; its one-time token, shown only now:")
    _put(token, {"token": token})


@account.command("token")
@click.argument("name")
@_config
@common_options
def token(config: Path, name: str) -> None:
    """Print a fresh one-time token for an account."""
    _need_extra()
    from protem.bootstrap.settings import local_id  # the extra
    from protem.services.manage_accounts import issue_token

    async def work(around: Surroundings) -> tuple[str, str]:
        issued = await issue_token(around, _OPERATOR, local_id(name))
        return issued.token.reveal(), format_instant(issued.expires_at)

    text, expires = _on_store(config, work)
    _put(text, {"token": text, "expires_at": expires})


@account.command("break-glass-codes")
@click.argument("name")
@click.option("--count", type=click.IntRange(1, 50), default=10, show_default=True)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The day at whose beginning, UTC, they end; in 180 days if not given.",
)
@_config
@common_options
def break_glass_codes(config: Path, name: str, count: int, until: datetime | None) -> None:
    """Print single-use codes for a sealed envelope; those printed before are void.

    Each signs in once, by `protem login --token-stdin`, and raises the alarm.
    """
    _need_extra()
    from protem.bootstrap.settings import local_id  # the extra
    from protem.services.glass_codes import make_codes

    async def work(around: Surroundings) -> tuple[list[str], str]:
        end = around.clock.now() + _ENVELOPE if until is None else until.replace(tzinfo=UTC)
        made = await make_codes(around, _OPERATOR, local_id(name), count=count, until=end)
        return [code.reveal() for code in made.codes], format_instant(made.expires_at)

    codes, expires = _on_store(config, work)
    _say(f"codes of {name}, each good once until {expires}, shown only now:")
    _put("\n".join(codes), {"codes": codes, "expires_at": expires})


@account.command("disable")
@click.argument("name")
@_config
@common_options
def disable(config: Path, name: str) -> None:
    """Disable an account, local or ISSUER|SUBJECT; its sessions and grants end."""
    _need_extra()
    from protem.domain.principals import PrincipalId
    from protem.services.manage_accounts import disable_account  # the extra

    async def work(around: Surroundings) -> None:
        await disable_account(around, _OPERATOR, PrincipalId.of_account(name))

    _on_store(config, work)
    _say(f"account {name} is disabled")


@account.command("list")
@_config
@common_options
def list_(config: Path) -> None:
    """List accounts."""
    _need_extra()
    from protem.services.manage_accounts import list_accounts  # the extra

    accounts = _on_store(config, list_accounts)
    rows = [
        {
            "name": known.principal.id.account,
            "kind": str(known.principal.kind),
            "groups": sorted(known.principal.groups),
            "acts_for": known.principal.acts_for and known.principal.acts_for.subject,
            "disabled": known.disabled,
        }
        for known in accounts
    ]
    lines = [
        "\t".join(
            [
                known.principal.id.account,
                "disabled" if known.disabled else known.principal.kind,
                ",".join(sorted(known.principal.groups)),
            ]
        )
        for known in accounts
    ]
    _put("\n".join(lines), {"items": rows})


@command.command("trust-clock")
@_config
@common_options
def trust(config: Path) -> None:
    """Say that this machine's clock is right, though it was ahead before.

    Time never goes back by itself, so a clock that was ahead by mistake leaves the server unable to
    grant. Correct the clock first, stop the server, and run this: what was begun in the false time
    is ended, and the server grants again.
    """
    _need_extra()
    from protem.services.trust_clock import trust_clock  # the extra
    from protem.system.clock import SystemClock

    reading = SystemClock().mark()  # of the machine alone: it was taught nothing
    done = _on_store(config, lambda around: trust_clock(around, reading, _OPERATOR), alone=True)
    now = format_instant(done.now)
    if done.was is None:
        _say(f"nothing to do: no later time than {now} was ever trusted")
    else:
        _say(f"time starts again at {now}; it was {format_instant(done.was)}")
        for grant_id in done.closed:
            _say(f"closed, since it was begun in the false time: {grant_id}")
    was = None if done.was is None else format_instant(done.was)
    _put(now, {"now": now, "was": was, "closed": list(done.closed)})


_ENVELOPE = timedelta(days=180)
"""How long codes in a sealed envelope are good, unless an end is given."""
_OPERATOR = "operator"
"""The actor on record: whoever may read the state folder."""


def _on_store(
    config: Path, work: Callable[[Surroundings], Awaitable[T]], *, alone: bool = False
) -> T:
    """Do ``work`` on the store; ``alone`` when no server may run meanwhile."""
    from protem.bootstrap.control_plane import open_control_plane  # the extra
    from protem.bootstrap.settings import load_settings

    settings = load_settings(config)
    folder = config.absolute().parent

    async def run() -> T:
        async with open_control_plane(settings, folder, serving=alone) as plane:
            return await work(plane.around)

    return asyncio.run(run())


def _need_extra() -> None:
    if find_spec("fastapi") is None or find_spec("pydantic") is None:
        raise InvalidError(
            "this installation has the command line alone",
            next_step="pip install 'protem[server,postgresql]'",
        )


def _put(text: str, data: Any) -> None:
    """Write data to standard output."""
    if current().machine_readable:
        text = document(data, current().output).rstrip("\n")
    sys.stdout.write(text + "\n")


def _say(text: str) -> None:
    """Talk on standard error."""
    sys.stderr.write(text + "\n")
