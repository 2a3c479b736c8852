"""Links that answer a request, as the store keeps them: by the hash of their token."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from protem.domain.answer_links import AnswerLink
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId


class AnswerLinkRecords(Protocol):
    """Links that nobody used yet, counting or not."""

    def add(self, token_hash: bytes, link: AnswerLink) -> None:
        """Keep a link.

        Raises:
            ConflictError: when the hash is kept already, or there is no such grant.
        """
        ...

    def find(self, token_hash: bytes) -> AnswerLink:
        """Return the link, expired or not; uses nothing up.

        Raises:
            NotFoundError: when there is none, or no longer.
        """
        ...

    def drop_of(self, person: PrincipalId, grant_id: GrantId) -> int:
        """Drop every link of a person to a request; return how many that were."""
        ...

    def forget_before(self, moment: datetime) -> int:
        """Drop links that expired until then; return how many."""
        ...
