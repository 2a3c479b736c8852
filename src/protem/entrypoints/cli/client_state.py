"""What this machine remembers between commands, and where.

Here: the files under ``$XDG_CONFIG_HOME/protem`` (written by people) and ``$XDG_STATE_HOME/protem``
(written by us): the server, the sign-in, requests that wait, passwords of grants kept on purpose,
and for the shell prompt which grants are held until when. Not here: anything the server knows
better.

Invariants: every file of ours is 0600 in a folder that is 0700, and replaced whole or not at all;
one that others could have read or written is refused, not used.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from protem.domain.identifiers import GrantId
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.scope_view import moment

_SIGN_INS = "sign-in.json"
_REQUESTS = "requests"
_WORKLOAD = "workload-sessions.json"
HELD = "held"
"""One file a grant, which ``prompt_segment`` reads without loading this module."""


def config_file() -> Path:
    """Return the path of the file that people write: ``PROTEM_CONFIG`` or the XDG one."""
    given = os.environ.get("PROTEM_CONFIG")
    return Path(given) if given else _folder("XDG_CONFIG_HOME", ".config") / "config.toml"


def state_folder() -> Path:
    """Return the folder of what this program writes, made private."""
    folder = _folder("XDG_STATE_HOME", ".local/state")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise CommandFailedError(f"cannot use the state folder {folder}: {error}") from error
    return folder


def configured_server() -> str | None:
    """Return ``server`` from the configuration file, if there is one.

    Raises:
        CommandFailedError: the file is not TOML, or ``server`` is not a text.
    """
    path = config_file()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("server")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CommandFailedError(f"cannot read {path}: {error}", error_code="usage") from error
    if found is not None and not isinstance(found, str):
        raise CommandFailedError(f"server in {path} is not a text", error_code="usage")
    return found


def last_server() -> str | None:
    """Return the server that was signed in to last."""
    found = _read(_SIGN_INS).get("server")
    return found if isinstance(found, str) else None


def token_for(server: str) -> str | None:
    """Return the session token for ``server``, if signed in there."""
    found = _read(_SIGN_INS).get("tokens", {}).get(server)
    return found if isinstance(found, str) else None


def remember_sign_in(server: str, token: str) -> None:
    """Keep ``token`` for ``server`` and make it the server for commands that name none."""
    tokens = _read(_SIGN_INS).get("tokens", {})
    _write(_SIGN_INS, {"server": server, "tokens": {**tokens, server: token}})


def forget_sign_in(server: str) -> None:
    """Drop the token for ``server``; harmless when there is none."""
    known = _read(_SIGN_INS)
    tokens = {key: token for key, token in known.get("tokens", {}).items() if key != server}
    if known:
        _write(_SIGN_INS, {"server": known.get("server"), "tokens": tokens})


def workload_session(server: str) -> dict[str, Any]:
    """Return what is kept of the workload's session at ``server``, empty when nothing is."""
    found = _read(_WORKLOAD).get(server)
    return found if isinstance(found, dict) else {}


def remember_workload_session(server: str, session: dict[str, str]) -> None:
    """Keep a workload's session at ``server`` in place of the one before."""
    _write(_WORKLOAD, {**_read(_WORKLOAD), server: session})


def remember_request(grant_id: str, asked: dict[str, Any]) -> None:
    """Keep what this machine asked for, so that only that is ever run when it is resumed."""
    (state_folder() / _REQUESTS).mkdir(mode=0o700, exist_ok=True)
    _write(f"{_REQUESTS}/{GrantId(grant_id)}.json", asked)


def remembered_request(grant_id: str) -> dict[str, Any] | None:
    """Return what was kept for ``grant_id``."""
    return _read(f"{_REQUESTS}/{GrantId(grant_id)}.json") or None


def forget_request(grant_id: str) -> None:
    """Drop what was kept for ``grant_id``; harmless when there is nothing, nor a folder.

    Raises:
        CommandFailedError: it is there and cannot be removed.
    """
    _unlink(_folder("XDG_STATE_HOME", ".local/state") / _REQUESTS / f"{GrantId(grant_id)}.json")


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return
    except OSError as error:
        if path.exists():
            raise CommandFailedError(f"cannot remove {path}: {error}") from error


def remember_held(grant: Mapping[str, Any]) -> None:
    """Note for the shell prompt what a grant gives and until when; one that is over is dropped."""
    grant_id, ends = GrantId(str(grant.get("id"))), moment(grant.get("expires_at"))
    if grant.get("state") != "active" or ends is None:
        forget_held(grant_id)
        return
    (state_folder() / HELD).mkdir(mode=0o700, exist_ok=True)
    noted = {"target": str(grant.get("target")), "ends": ends.timestamp()}
    _write(f"{HELD}/{grant_id}.json", noted)


def forget_held(grant_id: str) -> None:
    """Drop a grant from the shell prompt; harmless when it is not there."""
    _unlink(_folder("XDG_STATE_HOME", ".local/state") / HELD / f"{GrantId(grant_id)}.json")


def hold_only(grants: Sequence[Mapping[str, Any]]) -> None:
    """Show in the shell prompt just these grants: the server's whole answer."""
    folder = state_folder() / HELD
    wanted = {str(grant.get("id")) for grant in grants}
    for path in folder.glob("*.json") if folder.is_dir() else ():
        if path.stem not in wanted:
            _unlink(path)
    for grant in grants:
        remember_held(grant)


def _folder(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable, "")
    root = Path(given) if given.startswith("/") else Path.home() / fallback
    return root / "protem"


def _read(name: str) -> dict[str, Any]:
    path = state_folder() / name
    try:
        with path.open(encoding="utf-8") as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
                raise CommandFailedError(
                    f"{path} is not yours alone", next_step=f"rm {path}, and sign in again"
                )
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandFailedError(f"cannot read {path}: {error}", next_step=f"rm {path}") from error
    return found if isinstance(found, dict) else {}


def _write(name: str, content: dict[str, Any]) -> None:
    path = state_folder() / name
    try:
        number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # 0600 from birth
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError, UnboundLocalError):
            Path(temporary).unlink(missing_ok=True)
        raise CommandFailedError(f"cannot write {path}: {error}") from error
