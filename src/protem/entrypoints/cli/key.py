"""``protem key``: one's own keys for signing approvals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from protem.domain.approval_signatures import POSSESSION_NAMESPACE
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import connect, items_of, object_of, path_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import moment_text
from protem.entrypoints.cli.ssh_signing import public_half, sign
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import data, say

_WIDTH = 200
"""An id is copied, so it is never shortened."""


@click.group(name="key")
def command() -> None:
    """Add, list and remove your keys for signing approvals."""


@command.command(name="add")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", metavar="TEXT", help="What to call it; else its comment.")
@common_options
def add(*, path: Path, name: str) -> None:
    """Add the ssh key in PATH, after it has signed a challenge.

    PATH is the private or the public file; security keys and keys of the agent work too.
    """
    line = public_half(path)
    with connect() as client:
        challenge = object_of(client.post("/v1/approver-keys/ssh/challenge"))
        message = challenge.get("message")
        # In a namespace of its own: a server that sends something else gets no approval signed.
        if challenge.get("namespace") != POSSESSION_NAMESPACE or not isinstance(message, str):
            raise CommandFailedError("the server's challenge is none; are versions compatible?")
        private = path.with_suffix("") if path.suffix == ".pub" else path
        proof = sign(message.encode(), POSSESSION_NAMESPACE, private if private.exists() else path)
        body = {"name": name, "public_key": line, "signature": proof}
        _tell(object_of(client.post("/v1/approver-keys/ssh", body)), "added")


@command.command(name="ls")
@click.option("--all", "everything", is_flag=True, help="Removed ones too.")
@common_options
def ls(*, everything: bool) -> None:
    """List your keys, oldest first."""
    with connect() as client:
        found = items_of(client.get("/v1/approver-keys"))
    keys = [key for key in found if everything or not key.get("removed_at")]
    if current().machine_readable:
        data(document({"keys": keys}, current().output))
    elif not keys:
        say("No keys. Next: protem key add ~/.ssh/id_ed25519.pub")
    else:
        header = ("ID", "KIND", "NAME", "ADDED", "REMOVED")
        data(columns(header, [_row(key) for key in keys], width=_WIDTH))


@command.command(name="rm")
@click.argument("key_id", metavar="ID")
@common_options
def rm(*, key_id: str) -> None:
    """Take a key out of use; what it signed no longer counts for what has not begun."""
    with connect() as client:
        _tell(object_of(client.delete(path_of("approver-keys", key_id))), "removed")


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    removed = key.get("removed_at")
    return (
        printable(key.get("id", "?")),
        printable(key.get("kind", "?")),
        printable(key.get("name", "")),
        moment_text(key.get("added_at")),
        moment_text(removed) if removed else "-",
    )


def _tell(key: dict[str, Any], done: str) -> None:
    if current().machine_readable:
        data(document({"key": key}, current().output))
    else:
        say(f"Key {printable(key.get('name', ''))} ({printable(key.get('id', '?'))}) is {done}.")
