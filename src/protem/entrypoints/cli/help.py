"""``protem help``: the topics that belong to no single command."""

from __future__ import annotations

import click

from protem.entrypoints.cli.command_tree import SUMMARIES
from protem.entrypoints.cli.exit_codes import MEANINGS
from protem.entrypoints.cli.front_page import front_page
from protem.entrypoints.cli.invocation import common_options
from protem.entrypoints.cli.terminal import data

_ENVIRONMENT = """\
PROTEM_SERVER     the control plane's URL; --server beats it, the configuration file loses to it
PROTEM_TOKEN      a session token, instead of signing in; never passed on to the wrapped command
PROTEM_WORKLOAD_TOKEN_FILE   the token of this CI job or pod: commands sign in with it
PROTEM_CONFIG     the configuration file, instead of $XDG_CONFIG_HOME/protem/config.toml
PROTEM_OUTPUT     table, json or yaml; -o beats it
PROTEM_NO_INPUT   1: never ask anything, as --no-input
PROTEM_DEBUG      1: show tracebacks, as --debug
NO_COLOR          any value: no colour; FORCE_COLOR=1: colour; --color beats both
XDG_STATE_HOME    where the sign-in and waiting requests are kept, 0600
XDG_RUNTIME_DIR   where a running session's files are, 0700; else the temporary folder

The wrapped command gets PGSERVICEFILE, PGSERVICE and PGPASSFILE. Other PG* variables are taken out
of its environment, but for PGAPPNAME, PGSSLROOTCERT, PGSSLCRL, PGCONNECT_TIMEOUT, PGTZ and
PGDATESTYLE; with `protem run`, PSQLRC is /dev/null, so that only what was approved runs."""

_FORMATTING = """\
-o table   for people; wide text gives way to the terminal's width; may change any time
-o json    for programs: {"version": 1, ...}; within a version, fields are only added
-o yaml    the same document as YAML
-o sql     `protem plan` only: GRANT statements

Times are RFC 3339 in UTC, lengths whole seconds, names snake_case. Data goes to standard output,
talk to standard error. With -o json or yaml an error is a document on standard error:
{"version": 1, "error": {"code", "message", "next_step", "exit_code", "decision", "request_id"}}.
Text from servers and databases is shown with control and invisible characters escaped."""


def _exit_codes() -> str:
    lines = [f"{int(code):>4}  {meaning}" for code, meaning in MEANINGS.items()]
    lines.append("\nWith `run` and `psql`, once the wrapped command has started: its own code,")
    lines.append("and 128 + N when signal N ended it.")
    return "\n".join(lines)


def _help_of(found: click.Command, root: click.Context, name: str) -> str:
    context = click.Context(found, info_name=name, parent=root)
    return found.get_help(context)


TOPICS = {
    "exit-codes": _exit_codes(),
    "environment": _ENVIRONMENT,
    "formatting": _FORMATTING,
}


@click.command(name="help")
@click.argument("topic", required=False)
@common_options
@click.pass_context
def command(context: click.Context, topic: str | None) -> None:
    """Explain a topic (exit-codes, environment, formatting) or a command."""
    if topic is None:
        data(front_page().rstrip())
    elif topic in TOPICS:
        data(TOPICS[topic])
    elif topic in SUMMARIES:
        root = context.find_root()
        found = (
            root.command.get_command(root, topic) if isinstance(root.command, click.Group) else None
        )
        if found is not None:
            data(_help_of(found, root, topic))
    else:
        raise click.UsageError(f"no topic {topic!r}; there are {', '.join(TOPICS)}")
