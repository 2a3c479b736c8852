"""``protem version``."""

from __future__ import annotations

import click

from protem import __version__
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.terminal import data


@click.command(name="version")
@common_options
def command() -> None:
    """Print the version."""
    if current().machine_readable:
        data(document({"protem": __version__}, current().output))
    else:
        data(f"protem {__version__}")
