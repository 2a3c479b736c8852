"""``protem login``: trade a one-time token for a session."""

from __future__ import annotations

import sys

import click

from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import ApiClient, chosen_server, object_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import moment_text
from protem.entrypoints.cli.terminal import data, say
from protem.entrypoints.cli.untrusted_text import printable
from protem.entrypoints.cli.waiting import person_text

_LONGEST_TOKEN = 4_096


@click.command(name="login")
@click.option("--token-stdin", is_flag=True, help="Read the one-time token from standard input.")
@common_options
def command(*, token_stdin: bool) -> None:
    r"""Sign in with a one-time token from an administrator.

    \b
    protem login --server https://protem.example.com
    protem login --token-stdin < token-file

    The session's token is kept in $XDG_STATE_HOME/protem, readable by you alone.
    """
    server = chosen_server()
    token = _one_time_token(from_stdin=token_stdin)
    with ApiClient(server, None) as client:
        answer = object_of(client.post("/v1/sign-in", {"token": token}))
    session = answer.get("token")
    if not isinstance(session, str) or not session:
        raise CommandFailedError("the server's answer holds no token; are versions compatible?")
    client_state.remember_sign_in(server, session)
    who, until = person_text(answer.get("principal")), answer.get("expires_at")
    if current().machine_readable:
        fields = {"server": server, "principal": answer.get("principal"), "expires_at": until}
        data(document(fields, current().output))
    else:
        ends = f"; the session ends {moment_text(until)}" if until else ""
        say(f"Signed in to {server} as {printable(who)}{ends}.")


def _one_time_token(*, from_stdin: bool) -> str:
    if from_stdin:
        token = sys.stdin.read(_LONGEST_TOKEN)
    elif current().may_prompt:
        token = click.prompt("One-time token", hide_input=True, err=True)
    else:
        raise CommandFailedError(
            "there is no terminal to ask for the token",
            error_code="unauthenticated",
            next_step="protem login --token-stdin < FILE",
        )
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise CommandFailedError("that is not a one-time token", error_code="usage")
    return str(token)
