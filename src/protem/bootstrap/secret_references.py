"""Secrets by reference: the settings name where a secret is, never the secret.

Here: the two kinds of reference and reading them. Not here: what the secrets are for.

Invariants: a secret written into the settings is refused without being repeated; a secret file
that others can read is refused.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from protem.domain.errors import InvalidError
from protem.domain.secret import Secret

_INLINE = (
    'a secret is never written here: name an environment variable, { env = "NAME" }, '
    'or a private file, { file = "PATH" }'
)
_MOST_BYTES = 65_536


class SecretReference(BaseModel):
    """``{ env = "NAME" }`` or ``{ file = "PATH" }``; a path is relative to the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    env: str | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_a_reference(cls, given: Any) -> Any:
        if not isinstance(given, dict) or len(given) != 1 or not set(given) <= {"env", "file"}:
            raise ValueError(_INLINE)
        return given

    def read(self, where: str, folder: Path) -> Secret:
        """Return the secret; one newline at the end of a file does not belong to it.

        Args:
            where: the key path of this reference, for messages.
            folder: that of the settings file.

        Raises:
            InvalidError: when it is absent, empty, or readable by others.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise InvalidError(
                    f"{where}: environment variable {self.env} is not set",
                    next_step=f"set {self.env} where the server is started",
                )
            return Secret(value)
        return Secret(_read_private(where, folder / (self.file or "")))


def _read_private(where: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise InvalidError(f"{where}: {path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid not in (os.geteuid(), 0):
        raise InvalidError(f"{where}: {path} can be read by others", next_step=f"chmod 600 {path}")
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InvalidError(f"{where}: {path} is not UTF-8 text") from error
    if not text or "\0" in text:
        raise InvalidError(f"{where}: {path} is empty or holds NUL")
    return text
