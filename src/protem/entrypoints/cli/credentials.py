"""The client's half of a credential: made here, kept here.

Here: a password of 192 random bits, the verifier that is all the server learns, and the files
through which psql gets it. Not here: asking for the grant.

Invariants: the password is never in an argument vector nor in an environment; its file is 0600 in
a folder that is 0700, names the one host, port, database and user that it is for, and is removed
with the folder.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protem.domain.secret import Secret
from protem.entrypoints.cli.failures import CommandFailedError

SERVICE = "protem"
_PASSWORD_BYTES = 24
_SALT_BYTES = 16
_PREFIX = "protem-"
_LOGIN_KEYS = ("host", "hostaddr", "port", "dbname", "user", "sslmode", "channel_binding")
"""What the server may set for libpq; nothing here names a file or a program of this machine."""
_KEPT_PG_VARIABLES = frozenset(
    {"PGAPPNAME", "PGSSLROOTCERT", "PGSSLCRL", "PGCONNECT_TIMEOUT", "PGTZ", "PGDATESTYLE"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Both halves."""

    password: Secret
    public_half: dict[str, str]


def new_credential(iterations: int = 1) -> Credential:
    """Make a password and its verifier; iterations add nothing to 192 random bits."""
    from protem.domain.scram import scram_verifier  # only commands that ask

    password = Secret(secrets.token_urlsafe(_PASSWORD_BYTES))
    verifier = scram_verifier(password, secrets.token_bytes(_SALT_BYTES), iterations)
    return Credential(password=password, public_half={"form": "scram-sha-256", "value": verifier})


def login_of(grant: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts that libpq needs, checked.

    Raises:
        CommandFailedError: there are none, or one could break out of its line in a file.
    """
    found = grant.get("login")
    if not isinstance(found, Mapping):
        raise CommandFailedError("the server sent no login; is the grant active?")
    login = {key: str(found[key]) for key in _LOGIN_KEYS if found.get(key) not in (None, "")}
    for key, value in login.items():
        if not value.isprintable() or value != value.strip():
            raise CommandFailedError(f"the server sent a login whose {key} is not usable")
    if not {"host", "dbname", "user"} <= set(login):
        raise CommandFailedError("the server sent a login without host, dbname or user")
    return {"port": "5432", **login}


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only this user can enter, and remove it whatever happens."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    parent = Path(runtime) if runtime and os.access(runtime, os.W_OK) else None
    _remove_leftovers(parent or Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))  # 0700
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_login(folder: Path, login: Mapping[str, str], password: Secret) -> None:
    """Write libpq's service file and password file into ``folder``."""
    lines = [f"[{SERVICE}]", *(f"{key}={value}" for key, value in login.items())]
    write_private(folder / "pg_service.conf", "\n".join(lines) + "\n")
    exact = [login["host"], login["port"], login["dbname"], login["user"], password.reveal()]
    escaped = [part.replace("\\", "\\\\").replace(":", "\\:") for part in exact]
    write_private(folder / "pgpass", ":".join(escaped) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user can read, from its first byte on."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def environment_for(folder: Path, *, exact: bool) -> dict[str, str]:
    """Return the environment of the wrapped command: ours, no secret, no other PostgreSQL login.

    Args:
        folder: where ``write_login`` wrote.
        exact: leave out the user's psqlrc, so that nothing runs but what was approved.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PROTEM_TOKEN" and (not name.startswith("PG") or name in _KEPT_PG_VARIABLES)
    }
    environment |= {
        "PGSERVICEFILE": str(folder / "pg_service.conf"),
        "PGSERVICE": SERVICE,
        "PGPASSFILE": str(folder / "pgpass"),
    }
    return environment | ({"PSQLRC": os.devnull} if exact else {})


def _remove_leftovers(parent: Path) -> None:
    """Remove what a run of ours that was killed left behind."""
    for found in parent.glob(f"{_PREFIX}*-*"):
        owner = found.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError, ValueError):
            mine = found.lstat().st_uid == os.geteuid() and not found.is_symlink()
            if mine and not Path(f"/proc/{int(owner)}").exists() and Path("/proc/self").exists():
                shutil.rmtree(found, ignore_errors=True)
