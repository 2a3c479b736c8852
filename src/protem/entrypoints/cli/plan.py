"""``protem plan``: what a command needs and what policy says; touches nothing."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import click

from protem.bootstrap import command_line
from protem.domain.commands import Command
from protem.domain.errors import ProtemError
from protem.domain.plans import Plan
from protem.domain.scopes import Scope
from protem.domain.secret import Secret
from protem.entrypoints.cli.api_client import connect, object_of
from protem.entrypoints.cli.ask_options import (
    Wish,
    link_option,
    read_inputs,
    start_option,
    why_options,
)
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import FORMATS, common_options, current
from protem.entrypoints.cli.request_view import plan_page
from protem.entrypoints.cli.terminal import data, say

_SCHEMES = ("postgresql://", "postgres://")
_WANTS_PASSWORD = re.compile("no password supplied|password authentication failed")


@click.command(name="plan", context_settings={"allow_interspersed_args": False})
@click.option("--on", "target", required=True, metavar="TARGET|URI", help="Where.")
@why_options
@start_option
@link_option
@click.option("--profile", metavar="NAME", help="Plan a session under a named scope.")
@click.option("--to", "role", metavar="ROLE", help="For -o sql: who gets the privileges.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@common_options
def command(  # noqa: PLR0913  # one parameter for each option
    *,
    target: str,
    seconds: int,
    reason: str,
    ticket: str,
    start: datetime | None,
    links: tuple[str, ...],
    profile: str | None,
    role: str | None,
    argv: tuple[str, ...],
) -> int:
    r"""Show what a command needs, exactly, and what policy would say.

    \b
    protem plan --on orders-db -- psql -c "select id from shop.orders"
    protem plan --on postgresql://me@db/shop -- psql -f query.sql
    protem plan --on postgresql://me@db/shop -o sql --to alice -- psql -f query.sql

    With a URI no server is needed: the database itself is asked, and nothing is run. The password
    comes from PGPASSWORD, the password file, or a prompt. The exit code is 3 when policy denies.
    """
    as_sql = current().output == "sql"
    if as_sql != (role is not None):
        raise click.UsageError("-o sql and --to ROLE go together")
    inputs = read_inputs(argv)
    if target.startswith(_SCHEMES):
        plan = _plan_at(target, Command(argv=argv, inputs=inputs))
        planned, name = _wire_form(plan), _without_password(target)
        if role is not None:
            data("\n".join(command_line.grants_for(plan, role)))
            return ExitCode.OK
    elif as_sql:
        raise click.UsageError("-o sql needs --on postgresql://...: the database is asked directly")
    else:
        wish = Wish(
            target=target,
            argv=argv,
            seconds=seconds,
            reason=reason,
            ticket=ticket,
            start=start,
            links=links,
            profile=profile,
        )
        with connect() as client:
            planned, name = object_of(client.post("/v1/plans", wish.to_ask(inputs))), target
    if current().machine_readable:
        data(document({"target": name, "plan": planned}, current().output))
    else:
        data(plan_page(planned, name))
    denied = (planned.get("decision") or {}).get("outcome") == "denied"
    return ExitCode.DENIED if denied else ExitCode.OK


for _option in command.params:
    if _option.name == "output":
        _option.type = click.Choice([*FORMATS, "sql"])


def _plan_at(target: str, wanted: Command) -> Plan:
    address = checked_address(target)
    try:
        return asyncio.run(command_line.plan_at(address, wanted))
    except ProtemError as error:
        if not may_ask_password(error, target):
            raise
    return asyncio.run(command_line.plan_at(with_password(target), wanted))


def checked_address(target: str) -> Secret:
    """Return the connection string; a password inside it is said to be visible to others.

    Raises:
        CommandFailedError: it is not a URI.
    """
    try:
        parts = urlsplit(target)
        usable = parts.port is None or parts.port > 0
    except ValueError:
        usable = False
    if not usable or not target.isprintable():
        raise CommandFailedError(
            "that is not a connection URI",
            error_code="usage",
            next_step="write it as postgresql://user@host:5432/database",
        )
    if parts.password is not None:
        say("warning: a password on the command line is visible to others; use PGPASSWORD")
    return Secret(target)


def may_ask_password(error: ProtemError, target: str) -> bool:
    """Say whether a prompt could help: the database wants a password and someone sits there."""
    given = urlsplit(target).password is not None or "PGPASSWORD" in os.environ
    return bool(_WANTS_PASSWORD.search(str(error))) and not given and current().may_prompt


def with_password(target: str) -> Secret:
    """Ask for the password on the terminal, and return the connection string with it."""
    from urllib.parse import quote  # only after a prompt

    password = click.prompt(
        f"Password for {_without_password(target)}", hide_input=True, err=True, default=""
    )
    parts = urlsplit(target)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user}:{quote(password, safe='')}{at}{host}" if at else host
    return Secret(parts._replace(netloc=netloc).geturl())


def _without_password(target: str) -> str:
    parts = urlsplit(target)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query="").geturl()


def _wire_form(plan: Plan) -> dict[str, Any]:
    """Return a plan as the API would."""
    return {
        "scope": plan.scope.to_json(),
        "held_by_everyone": Scope(plan.held_by_everyone).to_json(),
        "traits": sorted(plan.traits),
        "findings": [{"code": one.code, "message": one.message} for one in plan.findings],
        "statements": list(plan.statements),
        "digest": plan.scope.digest,
    }
