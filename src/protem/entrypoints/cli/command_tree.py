"""The commands by name, each loaded when it is used.

Here: the table of commands and the Click group over it. Not here: any command; module
``protem.entrypoints.cli.NAME`` has it as ``command``.

Invariants: making the group, its help and its completion imports no command's module.
"""

from __future__ import annotations

from importlib import import_module

import click

from protem.entrypoints.cli.front_page import SECTIONS
from protem.entrypoints.cli.front_page import front_page as front_page_text
from protem.entrypoints.cli.invocation import common_options

SUMMARIES = {name: summary for commands in SECTIONS.values() for name, summary in commands.items()}


class LazyGroup(click.Group):
    """A group that imports a command's module on the command's first use."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return all names."""
        return list(SUMMARIES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module."""
        if cmd_name not in SUMMARIES:
            return None
        module = import_module(f"protem.entrypoints.cli.{cmd_name}")
        found = module.command
        if not isinstance(found, click.Command):
            raise TypeError(f"{module.__name__}.command is not a command")
        return found

    def format_help(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the front page; the same text whether Click was needed or not."""
        formatter.write(front_page_text())

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete names from the table, so that pressing Tab imports nothing."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        item = click.shell_completion.CompletionItem
        return [
            item(name, help=summary)
            for name, summary in SUMMARIES.items()
            if name.startswith(incomplete)
        ]


@click.group(
    cls=LazyGroup,
    name="protem",
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None},
)
@click.version_option(package_name="protem", message="protem %(version)s")
@common_options
def protem() -> None:
    """Give the privilege that one command needs, for as long as it needs it."""
