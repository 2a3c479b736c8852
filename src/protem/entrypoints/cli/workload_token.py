"""The token of a CI job or a pod, in a file that its platform keeps fresh.

Here: reading it, and the session that came of it, kept so that the next command need not sign in
again. Not here: the call (api_client).

Invariants: the token itself is never kept; its session counts only for the very token that it came
of, so a job on the same machine gets nothing of another's.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

from protem.domain.errors import InvalidError
from protem.domain.instants import parse_instant
from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.failures import CommandFailedError
from protem.system.clock import SystemClock

VARIABLE = "PROTEM_WORKLOAD_TOKEN_FILE"
_NEXT_STEP = f"let the platform write one, and name its file in {VARIABLE}"
_MOST_BYTES = 65_536
_LEFT_AT_LEAST = timedelta(minutes=1)


def read_token(path: Path) -> str:
    """Return the token in a file.

    Raises:
        CommandFailedError: there is none, or it is no token.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CommandFailedError(
            f"cannot read the workload token: {error}",
            error_code="unauthenticated",
            next_step=_NEXT_STEP,
        ) from error
    token = content.strip().decode("ascii", errors="replace")
    if not token or len(content) > _MOST_BYTES or not token.isascii() or not token.isprintable():
        raise CommandFailedError(
            f"{path} holds no workload token",
            error_code="unauthenticated",
            next_step=_NEXT_STEP,
        )
    return token


def kept_session(server: str, token: str) -> str | None:
    """Return the session that came of ``token`` at ``server``, if it lasts a while yet."""
    kept = client_state.workload_session(server)
    session, until = kept.get("session"), kept.get("expires_at")
    if kept.get("of") != _digest(token) or not isinstance(session, str):
        return None
    try:
        ends = parse_instant(str(until))
    except InvalidError:
        return None
    return session if ends - SystemClock().now() > _LEFT_AT_LEAST else None


def keep_session(server: str, token: str, session: str, expires_at: object) -> None:
    """Keep the session that came of ``token``."""
    fields = {"of": _digest(token), "session": session, "expires_at": str(expires_at)}
    client_state.remember_workload_session(server, fields)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
