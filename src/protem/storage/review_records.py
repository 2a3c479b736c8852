"""Offers, comments, delegations and the answers of rotas, in SQL.

Here: the statements of these tables and their rows to values and back. Not here: what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ClauseElement, bindparam, delete, insert, literal_column, select
from sqlalchemy.dialects import sqlite

from protem.domain.comments import Comment
from protem.domain.delegations import Delegation, DelegationId
from protem.domain.errors import NotFoundError
from protem.domain.identifiers import GrantId, GroupName
from protem.domain.offers import Offer
from protem.domain.oncall import OncallAnswer, ScheduleName, Shift
from protem.domain.principals import PrincipalId
from protem.storage.moments import from_moment, to_moment
from protem.storage.review_tables import (
    delegations,
    oncall_answers,
    request_comments,
    request_offers,
)
from protem.storage.session import Row, Session

_DIALECT = sqlite.dialect(paramstyle="named")
_MOST_LISTED = 1_000


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


_OFFER_ADD = _compiled(insert(request_offers))
_OFFERS_OF = _compiled(
    select(*request_offers.c)
    .where(request_offers.c.grant_id == bindparam("grant_id"))
    .order_by(request_offers.c.revision)
)
_COMMENT_ADD = _compiled(insert(request_comments))
_COMMENTS_OF = _compiled(
    select(*request_comments.c)
    .where(request_comments.c.grant_id == bindparam("grant_id"))
    .order_by(request_comments.c.number)
)
_DELEGATION_GET = _compiled(select(*delegations.c).where(delegations.c.id == bindparam("id")))
_DELEGATION_ADD = _compiled(insert(delegations))
_DELEGATION_DROP = _compiled(delete(delegations).where(delegations.c.id == bindparam("id")))
_DELEGATIONS_TO = _compiled(
    select(*delegations.c)
    .where(
        delegations.c.delegate == bindparam("delegate"),
        delegations.c.made_at <= bindparam("now"),
        delegations.c.until > bindparam("now"),
        delegations.c.ended_at.is_(None) | (delegations.c.ended_at > bindparam("now")),
    )
    .order_by(delegations.c.id)
)
_DELEGATIONS = _compiled(
    select(*delegations.c)
    .where(delegations.c.until > bindparam("after"))
    .order_by(delegations.c.id)
    .limit(literal_column(str(_MOST_LISTED)))
    .offset(literal_column("0"))
)
_answer = sqlite.insert(oncall_answers)
_ANSWER_PUT = _compiled(
    _answer.on_conflict_do_update(
        index_elements=["schedule"],
        set_={name: _answer.excluded[name] for name in ("as_of", "until", "content")},
        where=oncall_answers.c.as_of <= _answer.excluded.as_of,
    )
)
_ANSWERS = _compiled(select(*oncall_answers.c).order_by(oncall_answers.c.schedule))


class OfferTable:
    """``OfferRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, offer: Offer) -> None:
        """Insert an offer, or raise ``ConflictError``."""
        values = {
            "grant_id": offer.grant_id,
            "revision": offer.revision,
            "base_revision": offer.base_revision,
            "offered_by": str(offer.by),
            "at": from_moment(offer.at),
        }
        self._session.change(_OFFER_ADD, values)

    def of(self, grant_id: GrantId) -> Sequence[Offer]:
        """Return all offers on a request, oldest first."""
        return tuple(
            Offer(
                grant_id=GrantId(owner),
                revision=revision,
                base_revision=base,
                by=PrincipalId.parse(by),
                at=to_moment(at),
            )
            for owner, revision, base, by, at in self._session.rows(
                _OFFERS_OF, {"grant_id": grant_id}
            )
        )


class CommentTable:
    """``CommentRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, comment: Comment) -> None:
        """Insert a comment, or raise ``ConflictError``."""
        values = {
            "grant_id": comment.grant_id,
            "number": comment.number,
            "author": str(comment.author),
            "at": from_moment(comment.at),
            "text": comment.text,
        }
        self._session.change(_COMMENT_ADD, values)

    def of(self, grant_id: GrantId) -> Sequence[Comment]:
        """Return the comments on a request, oldest first."""
        return tuple(
            Comment(
                grant_id=GrantId(owner),
                number=number,
                author=PrincipalId.parse(author),
                at=to_moment(at),
                text=text,
            )
            for owner, number, author, at, text in self._session.rows(
                _COMMENTS_OF, {"grant_id": grant_id}
            )
        )


class DelegationTable:
    """``DelegationRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, delegation_id: DelegationId) -> Delegation:
        """Return one, or raise ``NotFoundError``."""
        row = self._session.row(_DELEGATION_GET, {"id": delegation_id})
        if row is None:
            raise NotFoundError(f"there is no delegation {delegation_id}")
        return _delegation(row)

    def put(self, delegation: Delegation) -> None:
        """Insert one, or replace it."""
        ended = delegation.ended_at
        values = {
            "id": delegation.id,
            "delegator": str(delegation.delegator),
            "delegate": str(delegation.delegate),
            "made_at": from_moment(delegation.made_at),
            "until": from_moment(delegation.until),
            "group_name": delegation.group,
            "ended_at": None if ended is None else from_moment(ended),
        }
        self._session.change(_DELEGATION_DROP, {"id": delegation.id})
        self._session.change(_DELEGATION_ADD, values)

    def to(self, delegate: PrincipalId, *, at: datetime) -> Sequence[Delegation]:
        """Return those in force in favour of ``delegate``, oldest first."""
        parameters = {"delegate": str(delegate), "now": from_moment(at)}
        return tuple(map(_delegation, self._session.rows(_DELEGATIONS_TO, parameters)))

    def list(self, *, after: datetime) -> Sequence[Delegation]:
        """Return all that end after ``after``, oldest first."""
        rows = self._session.rows(_DELEGATIONS, {"after": from_moment(after)})
        return tuple(map(_delegation, rows))


class OncallTable:
    """``OncallRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, answer: OncallAnswer) -> None:
        """Keep ``answer`` unless a later one is kept."""
        content = {
            "shifts": [
                [str(shift.person), from_moment(shift.starts), from_moment(shift.ends)]
                for shift in answer.shifts
            ],
            "unknown": list(answer.unknown),
        }
        values = {
            "schedule": str(answer.schedule),
            "as_of": from_moment(answer.as_of),
            "until": from_moment(answer.until),
            "content": json.dumps(content),
        }
        self._session.change(_ANSWER_PUT, values)

    def list(self) -> Sequence[OncallAnswer]:
        """Return the last answers, by schedule."""
        return tuple(map(_answer_of, self._session.rows(_ANSWERS, {})))


def _delegation(row: Row) -> Delegation:
    name, delegator, delegate, made_at, until, group, ended_at = row
    return Delegation(
        id=DelegationId(name),
        delegator=PrincipalId.parse(delegator),
        delegate=PrincipalId.parse(delegate),
        made_at=to_moment(made_at),
        until=to_moment(until),
        group=None if group is None else GroupName(group),
        ended_at=None if ended_at is None else to_moment(ended_at),
    )


def _answer_of(row: Row) -> OncallAnswer:
    schedule, as_of, until, text = row
    content = json.loads(text)
    return OncallAnswer(
        schedule=ScheduleName(schedule),
        as_of=to_moment(as_of),
        until=to_moment(until),
        shifts=tuple(
            Shift(person=PrincipalId.parse(who), starts=to_moment(starts), ends=to_moment(ends))
            for who, starts, ends in content["shifts"]
        ),
        unknown=tuple(content["unknown"]),
    )
