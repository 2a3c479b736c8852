"""``protem logout``: end the session at the server and forget it here."""

from __future__ import annotations

import click

from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import ApiClient, chosen_server
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options
from protem.entrypoints.cli.terminal import say


@click.command(name="logout")
@click.option("--all", "everywhere", is_flag=True, help="End your sessions everywhere.")
@common_options
def command(*, everywhere: bool) -> None:
    """Sign out. The token is forgotten here even when the server does not answer."""
    server = chosen_server()
    token = client_state.token_for(server)
    client_state.forget_sign_in(server)
    if token is None:
        say(f"You were not signed in to {server}.")
        return
    try:
        with ApiClient(server, token) as client:
            client.post("/v1/sessions/end" if everywhere else "/v1/sign-out")
    except CommandFailedError as error:
        if error.error_code != "unauthenticated":
            raise
    where = ", everywhere" if everywhere else ""
    say(f"Signed out of {server}{where}.")
