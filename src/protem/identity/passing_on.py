"""What an identity provider over another one passes on as it is.

Here: forgetting, and notes of use. Not here: what the outer one adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from protem.domain.principals import PrincipalId
from protem.ports.identity_provider import IdentityProvider, NotesUse, RemembersPrincipals


class PassesOn:
    """An identity provider over ``identity``."""

    identity: IdentityProvider

    def forget(self, principal_id: PrincipalId) -> None:
        """Drop what the inner one remembers of a principal."""
        if isinstance(self.identity, RemembersPrincipals):
            self.identity.forget(principal_id)

    def uses(self) -> Mapping[bytes, datetime]:
        """Return the last use of each session that the inner one noted."""
        return self.identity.uses() if isinstance(self.identity, NotesUse) else {}

    def uses_kept(self, kept: Mapping[bytes, datetime]) -> None:
        """Drop these notes."""
        if isinstance(self.identity, NotesUse):
            self.identity.uses_kept(kept)
