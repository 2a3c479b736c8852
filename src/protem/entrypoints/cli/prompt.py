"""``protem prompt``: one short segment for the shell prompt, from a note on this machine."""

from __future__ import annotations

import click

from protem.entrypoints.cli.invocation import common_options
from protem.entrypoints.cli.prompt_segment import segment
from protem.entrypoints.cli.terminal import data


@click.command(name="prompt")
@common_options
def command() -> None:
    r"""Print what you hold and how long, for the shell prompt; nothing when you hold nothing.

    \b
    bash   PS1='$(protem prompt)\$ '
    zsh    setopt PROMPT_SUBST; PROMPT='$(protem prompt)%# '
    fish   function fish_right_prompt; protem prompt; end

    It asks no server: `protem status` brings what it shows up to date. "!" says five minutes or
    less, "+1" that there is one grant more.
    """
    found = segment()
    if found:
        data(found)
