"""Notices on their way out, in SQL.

Here: the statements of this table and its rows to values and back. Not here: delivering.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ClauseElement,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from protem.domain.deliveries import Delivery, DeliveryState
from protem.domain.errors import NotFoundError
from protem.domain.notices import Notice
from protem.storage.moments import from_moment, to_moment
from protem.storage.notice_tables import notice_deliveries as table
from protem.storage.session import Row, Session

_DIALECT = sqlite.dialect(paramstyle="named")


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


_FIND = _compiled(
    select(table.c.state).where(
        table.c.notice == bindparam("notice"), table.c.channel == bindparam("channel")
    )
)
_ADD = _compiled(insert(table))
_SAVE = _compiled(
    update(table)
    .where(table.c.notice == bindparam("of"), table.c.channel == bindparam("by"))
    .values(
        state=bindparam("state"),
        attempts=bindparam("attempts"),
        due_at=bindparam("due_at"),
        last_error=bindparam("last_error"),
    )
)
_DUE = _compiled(
    select(*table.c)
    .where(table.c.channel == bindparam("channel"), table.c.due_at <= bindparam("now"))
    .order_by(table.c.due_at, table.c.notice)
    .limit(literal_column(":most"))
    .offset(literal_column("0"))
)
_NEXT = _compiled(
    select(func.min(table.c.due_at)).where(
        table.c.channel == bindparam("channel"), table.c.due_at.is_not(None)
    )
)
_GIVEN_UP = _compiled(
    select(*table.c)
    .where(table.c.state == bindparam("state"), table.c.at >= bindparam("since"))
    .order_by(table.c.at.desc(), table.c.notice, table.c.channel)
    .limit(literal_column(":most"))
    .offset(literal_column("0"))
)
_FORGET = _compiled(
    delete(table).where(table.c.state != bindparam("state"), table.c.at < bindparam("moment"))
)


class NoticeTable:
    """``NoticeRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery, unless there is one."""
        place = {"notice": delivery.notice.id, "channel": delivery.channel}
        if self._session.row(_FIND, place) is not None:
            self._session.check_writable()
            return
        row = {
            **place,
            "at": from_moment(delivery.notice.at),
            "content": json.dumps(delivery.notice.to_json()),
            **_changing(delivery),
        }
        self._session.change(_ADD, row)

    def save(self, delivery: Delivery) -> None:
        """Write what became of it."""
        place = {"of": delivery.notice.id, "by": delivery.channel}
        if self._session.change(_SAVE, {**place, **_changing(delivery)}) == 0:
            raise NotFoundError(f"no delivery of {delivery.notice.id} to {delivery.channel}")

    def due(self, channel: str, *, now: datetime, limit: int) -> Sequence[Delivery]:
        """Return what is due, oldest first."""
        wanted = {"channel": channel, "now": from_moment(now), "most": limit}
        return tuple(map(_delivery, self._session.rows(_DUE, wanted)))

    def next_due(self, channel: str) -> datetime | None:
        """Return when the next is due."""
        row = self._session.row(_NEXT, {"channel": channel})
        return None if row is None or row[0] is None else to_moment(row[0])

    def given_up(self, *, since: datetime, limit: int) -> Sequence[Delivery]:
        """Return what could not be delivered, newest first."""
        wanted = {
            "state": str(DeliveryState.GIVEN_UP),
            "since": from_moment(since),
            "most": limit,
        }
        return tuple(map(_delivery, self._session.rows(_GIVEN_UP, wanted)))

    def forget_before(self, moment: datetime) -> int:
        """Drop what is over."""
        old = {"state": str(DeliveryState.WAITING), "moment": from_moment(moment)}
        return self._session.change(_FORGET, old)


def _changing(delivery: Delivery) -> dict[str, object]:
    return {
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "due_at": None if delivery.due_at is None else from_moment(delivery.due_at),
        "last_error": delivery.last_error,
    }


def _delivery(row: Row) -> Delivery:
    _, channel, _, content, state, attempts, due_at, last_error = row
    return Delivery(
        notice=Notice.from_json(json.loads(content)),
        channel=channel,
        state=DeliveryState(state),
        attempts=attempts,
        due_at=None if due_at is None else to_moment(due_at),
        last_error=last_error,
    )
