"""From a wish to a usable grant, and back.

Here: asking, waiting, activating with a credential made at that moment, resuming what was left
waiting, and giving back. Not here: running anything with it (session).

Invariants: whatever became live is given back on every way out, unless it is kept on purpose; what
is run is what this machine asked for, never what a server says that it asked for.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from protem.domain.request_wording import privilege_text
from protem.domain.secret import Secret
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import ApiClient, object_of, path_of
from protem.entrypoints.cli.ask_options import Wish
from protem.entrypoints.cli.break_glass import confirm_emergency, say_who_was_told
from protem.entrypoints.cli.credentials import Credential, new_credential
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.scope_view import moment_text, scope_rows
from protem.entrypoints.cli.terminal import say
from protem.entrypoints.cli.waiting import (
    StillPendingError,
    refuse_if_over,
    start_of,
    wait_for_approval,
    wait_for_start,
    wait_until_active,
)

SCHEME = "postgresql"
_FIRST_WAIT_SECONDS = 10
_END_WAIT_SECONDS = 5
_MOST_SHOWN = 6
_START_TRIES = 20
_Waiting = Callable[[ApiClient, dict[str, Any], float | None], dict[str, Any]]


class Access:
    """One grant in our hands; give it back when done."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._live_id: str | None = None
        self.grant: dict[str, Any] = {}
        self.password = Secret("")

    def ask(self, wish: Wish, inputs: dict[str, str], patience: float | None) -> None:
        """Ask, and return when the grant is active.

        Args:
            wish: what was typed.
            inputs: content of what the command reads.
            patience: the most seconds to wait for people; None for as long as the request lives.

        Raises:
            StillPendingError: people have not answered; what was asked is remembered.
            CommandFailedError: denied, over, or unusable.
        """
        credential = new_credential(self._iterations(wish.target))
        ask = wish.to_ask(inputs)
        body = {**ask, "public_half": credential.public_half}
        self._saw(self._client.post("/v1/requests", body, wait=_FIRST_WAIT_SECONDS), credential)
        if self.grant.get("state") in ("pending", "approved"):
            client_state.remember_request(str(self.grant["id"]), ask)
        self._until_active(patience)

    def break_glass(self, wish: Wish, inputs: dict[str, str]) -> None:
        """Take access in an emergency, after the user has read who is told and typed the name.

        Raises:
            CommandFailedError: not confirmed, denied, or unusable.
        """
        confirmed = confirm_emergency(self._client, wish)
        credential = new_credential(self._iterations(wish.target))
        body = {
            **wish.to_ask(inputs),
            "confirm_target": confirmed,
            "public_half": credential.public_half,
        }
        grant = self._client.post("/v1/break-glass", body, wait=_FIRST_WAIT_SECONDS)
        self._saw(grant, credential)
        say_who_was_told(self.grant)
        self._until_active(0)

    def resume(
        self, grant_id: str, patience: float | None
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Go on with a request or a kept grant of this machine; return its command and inputs.

        Raises:
            CommandFailedError: this machine knows nothing of it, or it was changed since.
        """
        asked = client_state.remembered_request(grant_id)
        if asked is None:
            refuse_if_over(object_of(self._client.get(path_of("grants", grant_id))))
            raise CommandFailedError(
                f"this machine did not ask for {grant_id}, so it does not run it",
                next_step=f"protem request show {grant_id}",
            )
        self.grant = object_of(self._client.get(path_of("grants", grant_id)))
        command = asked["command"]
        request = self.grant.get("request")
        if isinstance(request, Mapping) and request.get("command") != command:
            raise CommandFailedError(f"request {grant_id} was changed since it was asked for here")
        password = asked.get("password")
        try:
            if isinstance(password, str):
                self.password = Secret(password)
                refuse_if_over(self.grant)
                self._live_id = grant_id
            else:
                self._until_active(patience)
        except CommandFailedError as error:
            if not isinstance(error, StillPendingError) and error.error_code in (
                "denied",
                "expired",
            ):
                client_state.forget_request(grant_id)
            raise
        return tuple(command["argv"]), dict(command["inputs"])

    def keep(self, argv: tuple[str, ...], inputs: dict[str, str]) -> None:
        """Leave the grant in place for ``--resume``; its password stays in a 0600 file here."""
        grant_id = str(self.grant["id"])
        command = {"argv": list(argv), "inputs": inputs}
        client_state.remember_request(
            grant_id, {"command": command, "password": self.password.reveal()}
        )
        self._live_id = None
        ends = moment_text(self.grant.get("expires_at"))
        say(f"protem: kept, ends {ends}; again: protem run --resume {grant_id}")

    def give_back(self) -> None:
        """End what became live through us; says how it went and raises nothing."""
        if self._live_id is None:
            return
        grant_id, self._live_id = self._live_id, None
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        try:
            give_back(self._client, grant_id)
        except (CommandFailedError, KeyboardInterrupt) as error:
            ends = moment_text(self.grant.get("expires_at"))
            why = f": {printable(error)}" if isinstance(error, CommandFailedError) else ""
            say(f"protem: grant {grant_id} is not given back{why}. It ends by itself {ends}.")
            say(f"try: protem end {grant_id}")

    def _until_active(self, patience: float | None) -> None:
        if self.grant.get("state") == "pending":
            grant_id = printable(self.grant.get("id"))
            if patience != 0:
                say(f"Request {grant_id} needs people.")
            self._wait(wait_for_approval, patience)
        self._wait(wait_for_start, patience)
        refuse_if_over(self.grant)
        if self.grant.get("state") == "approved":
            self._activate()
        self.grant = wait_until_active(self._client, self.grant)
        client_state.forget_request(str(self.grant["id"]))
        note_held(self.grant)
        self._announce()

    def _wait(self, waiting: _Waiting, patience: float | None) -> None:
        try:
            self.grant = waiting(self._client, self.grant, patience)
        except KeyboardInterrupt:
            say("Detached. The request goes on; continue with:")
            say(f"  protem run --resume {printable(self.grant.get('id'))}")
            sys.exit(ExitCode.INTERRUPTED)

    def _activate(self) -> None:
        credential = new_credential(self._iterations(str(self.grant.get("target"))))
        path = path_of("grants", str(self.grant["id"]), "activate")
        body = {"public_half": credential.public_half}
        tries = 1 if start_of(self.grant) is None else _START_TRIES
        while True:
            tries -= 1
            self._live_id = str(self.grant["id"])
            try:
                found = self._client.post(path, body, wait=_FIRST_WAIT_SECONDS)
                break
            except CommandFailedError as error:
                if tries == 0 or error.error_code != "conflict":
                    raise
                self._live_id = None  # refused, so there is nothing to give back
            time.sleep(1)  # the server's clock may be a little behind ours
        self._saw(found, credential)

    def _saw(self, grant: Any, credential: Credential) -> None:
        if not isinstance(grant, dict) or not isinstance(grant.get("id"), str):
            raise CommandFailedError("the server's answer is not a grant; are versions compatible?")
        self.grant = grant
        self.password = credential.password
        if grant.get("state") in ("provisioning", "active"):
            self._live_id = grant["id"]

    def _iterations(self, target: str) -> int:
        found = object_of(self._client.get(path_of("targets", target)))
        if found.get("scheme") != SCHEME:
            raise CommandFailedError(
                f"{target} is a {found.get('scheme')} target; this version runs {SCHEME} only"
            )
        value = found.get("scram_iterations") or 1
        return value if isinstance(value, int) and value > 0 else 1

    def _announce(self) -> None:
        request = self.grant.get("request")
        rows = scope_rows(request.get("scope") if isinstance(request, Mapping) else None)
        texts = [
            privilege_text(row) for row in rows if row.get("action") not in ("CONNECT", "USAGE")
        ]
        more = len(texts) - _MOST_SHOWN
        say(f"protem: granted, ends {moment_text(self.grant.get('expires_at'))}")
        for text in [*texts[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]:
            say(f"protem:   {text}")


def give_back(client: ApiClient, grant_id: str) -> dict[str, Any]:
    """End a grant, wait briefly until the target is read back, and say how it went."""
    found = client.post(path_of("grants", grant_id, "end"), wait=_END_WAIT_SECONDS)
    try:
        client_state.forget_request(grant_id)
        client_state.forget_held(grant_id)
    except CommandFailedError as error:  # the grant is ended all the same
        say(f"protem: {printable(error)}")
    grant: dict[str, Any] = found if isinstance(found, dict) else {}
    target = printable(grant.get("target", "the target"))
    match grant.get("state"):
        case "ended":
            how = "given back" if grant.get("end_cause") == "given_back" else "ended"
            say(f"protem: {how}; {target} was read back and shows nothing of it")
        case "cancelled":
            say(f"protem: request {grant_id} is cancelled")
        case _:
            say(f"protem: ending; not yet read back. See: protem grant show {grant_id}")
    return grant


def note_held(grant: Mapping[str, Any]) -> None:
    """Note a grant for the shell prompt; a prompt that is behind is no reason to fail."""
    with contextlib.suppress(CommandFailedError):
        client_state.remember_held(grant)
