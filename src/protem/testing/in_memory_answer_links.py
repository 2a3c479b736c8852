"""Links that answer a request, in a dictionary, with the refusals of the real ones."""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from protem.domain.answer_links import AnswerLink
from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.testing.in_memory_tables import Records


class InMemoryAnswerLinks(Records):
    """Links by the hash of their token."""

    def add(self, token_hash: bytes, link: AnswerLink) -> None:
        tables = self._transaction.changeable
        if (
            token_hash in tables.answer_links
            or (link.grant_id, link.revision) not in tables.revisions
        ):
            raise ConflictError("the link is stored already, or its revision is not")
        tables.answer_links[token_hash] = link

    def find(self, token_hash: bytes) -> AnswerLink:
        try:
            return self._transaction.readable.answer_links[token_hash]
        except KeyError:
            raise NotFoundError("there is no such link") from None

    def drop_of(self, person: PrincipalId, grant_id: GrantId) -> int:
        return self._drop(lambda link: (link.person, link.grant_id) == (person, grant_id))

    def forget_before(self, moment: datetime) -> int:
        return self._drop(lambda link: link.expires_at <= moment)

    def _drop(self, goes: Callable[[AnswerLink], bool]) -> int:
        links = self._transaction.changeable.answer_links
        gone = [token_hash for token_hash, link in links.items() if goes(link)]
        for token_hash in gone:
            del links[token_hash]
        return len(gone)
