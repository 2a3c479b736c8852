"""``protem login``: a session, from a browser or by a one-time token."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import click

from protem.domain.untrusted_text import printable
from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import ApiClient, chosen_server, object_of, sign_in_workload
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import moment_text, time_left
from protem.entrypoints.cli.terminal import StatusLine, data, say
from protem.entrypoints.cli.waiting import person_text
from protem.entrypoints.cli.workload_token import read_token

_LONGEST_TOKEN = 4_096
_SLOWEST_SECONDS = 30
_LONGEST_WAIT = 600.0


@click.command(name="login")
@click.option("--token-stdin", is_flag=True, help="Read a one-time token from standard input.")
@click.option("--token", "by_token", is_flag=True, help="Ask for a one-time token.")
@click.option("--device", is_flag=True, help="Show a code for a browser anywhere; open none.")
@click.option(
    "--workload-token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Sign in with the token of this CI job or pod.",
)
@common_options
def command(
    *, token_stdin: bool, by_token: bool, device: bool, workload_token_file: Path | None
) -> None:
    r"""Sign in from a browser, or with a one-time token from an administrator.

    \b
    protem login --server https://protem.example.com
    protem login --device
    protem login --token-stdin < token-file
    protem login --workload-token-file /var/run/secrets/protem/token

    Where the server knows an identity provider, a browser opens and comes back here by itself;
    over SSH, and with --device, compare the code that it shows with the one here. The session's
    token is kept in $XDG_STATE_HOME/protem, readable by you alone.
    """
    if token_stdin + by_token + device + (workload_token_file is not None) > 1:
        raise click.UsageError(
            "give one of --token-stdin, --token, --device and --workload-token-file"
        )
    server = chosen_server()
    with ApiClient(server, None) as client:
        if workload_token_file is not None:
            answer = sign_in_workload(server, read_token(workload_token_file))
        elif token_stdin or by_token or not (device or _has_providers(client)):
            token = _one_time_token(from_stdin=token_stdin)
            answer = object_of(client.post("/v1/sign-in", {"token": token}))
        elif device or not _has_display():
            answer = _from_a_browser_anywhere(client)
        else:
            answer = _from_a_browser_here(client)
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


def _has_providers(client: ApiClient) -> bool:
    found = object_of(client.get("/v1/sign-in/ways")).get("providers")
    return isinstance(found, list) and bool(found)


def _from_a_browser_here(client: ApiClient) -> dict[str, Any]:
    """Open a browser, and return the session once it came back to this machine with a yes."""
    import webbrowser  # only to open one

    from protem.entrypoints.cli.browser_return import BrowserReturn  # only to wait for one

    with BrowserReturn() as waiting:
        codes = _codes(client, port=waiting.port)
        say("Go on in the browser of this computer; somewhere else: protem login --device")
        webbrowser.open(_show(client, codes))
        line = StatusLine()
        line.show("Waiting for the browser; Ctrl-C gives up.")
        try:
            left = time_left(codes.get("expires_at"))
            longest = _LONGEST_WAIT if left is None else left.total_seconds()
            proof = waiting.wait(str(codes.get("user_code")), longest)
        finally:
            line.clear()
    if proof is None:
        raise _nobody_answered()
    body = {"device_code": codes.get("device_code"), "proof": proof or "none"}
    return object_of(client.post("/v1/sign-in/device/redeem", body))


def _codes(client: ApiClient, *, port: int | None = None) -> dict[str, Any]:
    body = {"said": _who_asks()} | ({} if port is None else {"port": port})
    return object_of(client.post("/v1/sign-in/device", body))


def _show(client: ApiClient, codes: dict[str, Any]) -> str:
    """Show the code and the address that asks about it; return the address."""
    address = f"{client.server}{printable(codes.get('path', '/device'))}"
    say(f"Compare this code with the one in the browser:  {printable(codes.get('user_code'))}")
    say(f"  {address}")
    return address


def _nobody_answered() -> CommandFailedError:
    return CommandFailedError(
        "nobody answered in the browser in time",
        error_code="unauthenticated",
        next_step="protem login",
    )


def _from_a_browser_anywhere(client: ApiClient) -> dict[str, Any]:
    """Show a code, and return the session once somebody in a browser said that it is theirs."""
    codes = _codes(client)
    _show(client, codes)
    interval = codes.get("interval_seconds")
    pause = min(max(1, interval if isinstance(interval, int) else 2), _SLOWEST_SECONDS)
    line = StatusLine()
    try:
        while True:
            left = time_left(codes.get("expires_at"))
            if left is not None and left.total_seconds() <= 0:
                raise _nobody_answered()
            line.show("Waiting for the browser; Ctrl-C gives up.")
            time.sleep(pause)
            answer = object_of(
                client.post("/v1/sign-in/device/redeem", {"device_code": codes.get("device_code")})
            )
            if answer.get("state") != "pending":
                return answer
    finally:
        line.clear()


def _who_asks() -> str:
    """Return what this machine calls itself, to be shown beside the question."""
    return f"protem on {socket.gethostname()}"[:100]


def _has_display() -> bool:
    if not current().may_prompt or os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


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
