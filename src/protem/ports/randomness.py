"""Chance as a port: identifiers and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from protem.domain.identifiers import GrantId
from protem.domain.secret import Secret


class Randomness(Protocol):
    """Makes what nobody can guess."""

    def grant_id(self, at: datetime) -> GrantId:
        """Return a fresh ULID whose time part is ``at``."""
        ...

    def token(self) -> Secret:
        """Return a fresh bearer token of at least 192 bits."""
        ...
