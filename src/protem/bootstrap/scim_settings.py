"""``[identity.scim.NAME]``: the directories that provision people, and their tokens.

Here: the table's shape, and the directories that it declares. Not here: the protocol
(entrypoints.scim).

Invariants: a token is read once, and only its hash is kept; no two directories have the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.settings_table import SettingsTable, Text
from protem.domain.bearer_tokens import fingerprint
from protem.domain.directories import DirectorySource, SubjectFrom
from protem.domain.errors import InvalidError
from protem.domain.identifiers import DirectoryName

LEAST_TOKEN = 32
"""Characters; ``openssl rand -hex 32`` gives 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedDirectory:
    """A directory that may call, and the hash of its token."""

    source: DirectorySource
    token_hash: bytes


class ScimSettings(SettingsTable):
    """``[identity.scim.NAME]``."""

    issuer: Text
    subject_from: Literal["externalId", "userName"] = "externalId"
    token: SecretReference
    group_prefix: Annotated[str, Field(max_length=64)] = ""

    @model_validator(mode="after")
    def _is_a_source(self) -> ScimSettings:
        try:
            self.source("x")
        except InvalidError as error:
            raise ValueError(error.message) from error
        return self

    def source(self, name: str) -> DirectorySource:
        """Return the directory in the inside's words.

        Raises:
            InvalidError: when the name, the issuer or the prefix cannot be one.
        """
        return DirectorySource(
            name=DirectoryName(name),
            issuer=self.issuer,
            subject_from=SubjectFrom(self.subject_from),
            group_prefix=self.group_prefix,
        )


def trusted_directories(
    declared: Mapping[str, ScimSettings], folder: Path
) -> tuple[TrustedDirectory, ...]:
    """Return the directories that may call.

    Args:
        declared: by name.
        folder: that of the settings file.

    Raises:
        InvalidError: when a token cannot be read, is short, or is that of another directory; or
            when the installation lacks what the protocol needs.
    """
    if declared and find_spec("scim2_models") is None:
        raise InvalidError(
            "[identity.scim] needs more than is installed",
            next_step="pip install 'protem[server,scim]'",
        )
    found: dict[bytes, TrustedDirectory] = {}
    for name, settings in declared.items():
        where = f"identity.scim.{name}.token"
        token = settings.token.read(where, folder)
        if len(token.reveal()) < LEAST_TOKEN:
            raise InvalidError(
                f"{where}: a token has at least {LEAST_TOKEN} characters",
                next_step="make one with: openssl rand -hex 32",
            )
        directory = TrustedDirectory(source=settings.source(name), token_hash=fingerprint(token))
        other = found.setdefault(directory.token_hash, directory)
        if other is not directory:
            raise InvalidError(f"{where}: directory {other.source.name} has this token already")
    return tuple(found.values())
