"""Messages in chats that ask for an answer, in SQL.

Here: the statements of this table and its rows to values and back. Not here: rewriting them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ClauseElement, bindparam, delete, insert, literal_column, select
from sqlalchemy.dialects import sqlite

from protem.domain.notices import Notice
from protem.domain.posted_messages import PostedMessage
from protem.storage.message_tables import posted_messages as table
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Row, Session

_DIALECT = sqlite.dialect(paramstyle="named")


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


_DROP = _compiled(
    delete(table).where(
        table.c.notice == bindparam("notice"), table.c.channel == bindparam("channel")
    )
)
_ADD = _compiled(insert(table))
_OPEN = _compiled(
    select(*table.c)
    .where(table.c.channel == bindparam("channel"), table.c.look_at <= bindparam("now"))
    .order_by(table.c.look_at, table.c.notice)
    .limit(literal_column(":most"))
    .offset(literal_column("0"))
)
_FORGET = _compiled(
    delete(table).where(table.c.look_at.is_(None), table.c.at < bindparam("moment"))
)


class MessageTable:
    """``MessageRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, message: PostedMessage) -> None:
        """Keep a message."""
        place = {"notice": message.notice.id, "channel": message.channel}
        self._session.change(_DROP, place)
        row = {
            **place,
            "at": from_moment(message.notice.at),
            "content": json.dumps(message.notice.to_json()),
            "receipt": message.receipt,
            "look_at": None if message.look_at is None else from_moment(message.look_at),
        }
        self._session.change(_ADD, row)

    def open(self, channel: str, *, now: datetime, limit: int) -> Sequence[PostedMessage]:
        """Return what is to be looked at now."""
        wanted = {"channel": channel, "now": from_moment(now), "most": limit}
        return tuple(map(_message, self._session.rows(_OPEN, wanted)))

    def forget_before(self, moment: datetime) -> int:
        """Drop what is closed."""
        return self._session.change(_FORGET, {"moment": from_moment(moment)})


def _message(row: Row) -> PostedMessage:
    _, channel, _, content, receipt, look_at = row
    return PostedMessage(
        notice=Notice.from_json(json.loads(content)),
        channel=channel,
        receipt=receipt,
        look_at=None if look_at is None else to_moment(look_at),
    )
