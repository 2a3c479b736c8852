"""Links that answer a request, in SQL.

Here: the statements of this table and its rows to values and back. Not here: who may have a link,
and when one counts (services).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.dialects import sqlite

from protem.domain.answer_links import AnswerLink
from protem.domain.errors import NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.storage.answer_link_tables import answer_links as table
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Session

_DIALECT = sqlite.dialect(paramstyle="named")
_ADD = str(insert(table).compile(dialect=_DIALECT))
_FIND = str(select(table).where(table.c.hash == bindparam("hash")).compile(dialect=_DIALECT))
_DROP = str(
    delete(table)
    .where(table.c.grant_id == bindparam("of"), table.c.person == bindparam("by"))
    .compile(dialect=_DIALECT)
)
_FORGET = str(
    delete(table).where(table.c.expires_at <= bindparam("moment")).compile(dialect=_DIALECT)
)


class AnswerLinkTable:
    """``AnswerLinkRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token_hash: bytes, link: AnswerLink) -> None:
        """Insert, or raise ``ConflictError``."""
        row = {
            "hash": token_hash,
            "person": str(link.person),
            "grant_id": link.grant_id,
            "revision": link.revision,
            "digest": link.digest,
            "channel": link.channel,
            "expires_at": from_moment(link.expires_at),
        }
        self._session.change(_ADD, row)

    def find(self, token_hash: bytes) -> AnswerLink:
        """Return one, or raise ``NotFoundError``."""
        row = self._session.row(_FIND, {"hash": token_hash})
        if row is None:
            raise NotFoundError("there is no such link")
        _, person, grant_id, revision, digest, channel, expires_at = row
        return AnswerLink(
            person=PrincipalId.parse(person),
            grant_id=GrantId(grant_id),
            revision=revision,
            digest=digest,
            channel=channel,
            expires_at=to_moment(expires_at),
        )

    def drop_of(self, person: PrincipalId, grant_id: GrantId) -> int:
        """Delete a person's links to a request."""
        return self._session.change(_DROP, {"of": grant_id, "by": str(person)})

    def forget_before(self, moment: datetime) -> int:
        """Delete expired links."""
        return self._session.change(_FORGET, {"moment": from_moment(moment)})
