"""What is said and asked before the glass is broken, and what is said after.

Here: who will be told, the target's name typed once more. Not here: the call (access).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from protem.domain.broken_glass import check_reason
from protem.domain.durations import format_duration
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import ApiClient, object_of
from protem.entrypoints.cli.ask_options import Wish
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import current
from protem.entrypoints.cli.terminal import say


def confirm_emergency(client: ApiClient, wish: Wish) -> str:
    """Say who will be told, and return the target's name as it was typed.

    Raises:
        InvalidError: without a reason.
        CommandFailedError: another name was typed, or none.
    """
    check_reason(wish.reason)
    told = object_of(client.get("/v1/break-glass"))
    channels = told.get("channels")
    names = [printable(name) for name in channels] if isinstance(channels, list) else []
    say(f"protem: BREAK-GLASS at {printable(wish.target)} for {_length(wish.seconds)}.")
    say(
        f"protem:   told before you get in: {', '.join(names) or 'no channel; the audit log alone'}"
    )
    say(f"protem:   review by another person, due {_within(told)} after it ends")
    typed = wish.confirm_target
    if typed is None:
        if not current().may_prompt:
            raise CommandFailedError(
                "there is no terminal to type the target's name on",
                error_code="usage",
                next_step=f"--confirm-target {wish.target}",
            )
        typed = str(click.prompt("Type the target's name to go on", err=True))
    if typed.strip() != wish.target:
        raise CommandFailedError(
            "that is not the target's name; nothing was sent", error_code="usage"
        )
    return wish.target


def say_who_was_told(grant: Mapping[str, Any]) -> None:
    """Say what came of each alarm."""
    alarms = grant.get("alarms")
    for outcome in alarms if isinstance(alarms, list) else []:
        if not isinstance(outcome, Mapping):
            continue
        channel = printable(outcome.get("channel"))
        if outcome.get("delivered") is True:
            say(f"protem:   told {channel}")
        else:
            say(f"protem:   {channel} was not reached: {printable(outcome.get('error'))}")


def _within(told: Mapping[str, Any]) -> str:
    seconds = told.get("review_within_seconds")
    return _length(seconds) if isinstance(seconds, int) else "soon"


def _length(seconds: int) -> str:
    return format_duration(timedelta(seconds=seconds))
