"""``protem completion``: the script that a shell loads to complete our commands."""

from __future__ import annotations

import click

from protem.entrypoints.cli.invocation import common_options
from protem.entrypoints.cli.terminal import data


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    r"""Print the completion script of a shell.

    \b
    eval "$(protem completion bash)"
    """
    from click.shell_completion import get_completion_class  # only here

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    root = context.find_root()
    data(found(root.command, {}, "protem", "_PROTEM_COMPLETE").source())
