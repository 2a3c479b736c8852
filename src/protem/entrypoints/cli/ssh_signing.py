"""Signing with the user's own ssh key, by ``ssh-keygen``: files, security keys and the agent.

Here: which key, and one run of the program. Not here: what is signed; the caller makes it from what
it showed.

Invariants: the program gets an argument vector and the message on its standard input; the terminal
stays the user's, for a passphrase, a PIN or a touch; no private key is ever read here.
"""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.failures import CommandFailedError

KEY_NEEDED = "signature_required"
_LISTING_SECONDS = 10
_MOST_PUBLIC_KEY = 16_384


def sign(message: bytes, namespace: str, key: Path) -> str:
    """Return the armoured signature of ``message``.

    Args:
        message: what is signed.
        namespace: what it is for.
        key: a private key file, or a public one whose other half the agent or the security key has.

    Raises:
        CommandFailedError: there is no ssh-keygen, or it made no signature.
    """
    argv = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key)]
    try:
        done = subprocess.run(  # argv list
            argv, input=message, stdout=subprocess.PIPE, check=False
        )
    except OSError as error:
        raise CommandFailedError(f"ssh-keygen cannot be run: {error.strerror}") from error
    armoured = done.stdout.decode("ascii", "replace")
    if done.returncode != 0 or "BEGIN SSH SIGNATURE" not in armoured:
        raise CommandFailedError(f"ssh-keygen made no signature with {key}", error_code=KEY_NEEDED)
    return armoured


def sign_with_one_of(
    message: bytes, namespace: str, given: Path | None, keys: Sequence[Mapping[str, Any]]
) -> str:
    """Return a signature by one of the caller's registered keys.

    The key is ``given``, else ``[approve] key`` of the configuration file, else the first of
    ``~/.ssh`` that is registered, else one that the agent has.

    Raises:
        CommandFailedError: there is none, or it made no signature.
    """
    chosen = given or configured_key()
    if chosen is not None:
        return sign(message, namespace, chosen.expanduser())
    wanted = {
        str(key.get("public_key"))
        for key in keys
        if key.get("kind") == "ssh" and not key.get("removed_at")
    }
    for file in _public_key_files():
        if _key_text(_line_of(file)) in wanted:
            private = file.with_suffix("")
            return sign(message, namespace, private if private.exists() else file)
    for line in _agent_lines():
        if _key_text(line) in wanted:
            with tempfile.NamedTemporaryFile("w", suffix=".pub", encoding="ascii") as half:
                half.write(f"{_key_text(line)}\n")
                half.flush()
                return sign(message, namespace, Path(half.name))
    raise CommandFailedError(
        "none of your registered ssh keys is in ~/.ssh or in the agent"
        if wanted
        else "you have no ssh key registered for signing approvals",
        error_code=KEY_NEEDED,
        next_step="protem request approve ID --key PATH"
        if wanted
        else "protem key add ~/.ssh/id_ed25519.pub (or approve in the browser)",
    )


def configured_key() -> Path | None:
    """Return ``[approve] key`` of the configuration file, if there is one.

    Raises:
        CommandFailedError: the file is not TOML, or the value no text.
    """
    path = client_state.config_file()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("approve", {})
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CommandFailedError(f"cannot read {path}: {error}", error_code="usage") from error
    key = found.get("key") if isinstance(found, dict) else found
    if key is not None and not isinstance(key, str):
        raise CommandFailedError(f"[approve] key in {path} is not a text", error_code="usage")
    return None if key is None else Path(key)


def public_half(key: Path) -> str:
    """Return the line of a key's public file, given either of the two.

    Raises:
        CommandFailedError: it cannot be read, or is a private key.
    """
    file = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    line = _line_of(file)
    if not _key_text(line):
        raise CommandFailedError(
            f"{file} is no public key that can be read",
            next_step=f"ssh-keygen -y -f {key.with_suffix('')} > {file}",
        )
    return line


def _public_key_files() -> Iterator[Path]:
    folder = Path.home() / ".ssh"
    try:
        yield from sorted(folder.glob("*.pub"))
    except OSError:
        return


def _line_of(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_MOST_PUBLIC_KEY).strip()
    except OSError:
        return ""


def _agent_lines() -> Sequence[str]:
    argv = ["ssh-add", "-L"]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_LISTING_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else ()


def _key_text(line: str) -> str:
    """Return algorithm and key without the comment; empty when it is no key."""
    words = line.split()
    looks_right = len(words) > 1 and words[1].startswith("AAAA") and "\n" not in line
    return " ".join(words[:2]) if looks_right else ""
