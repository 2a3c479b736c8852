"""Sessions and spent proofs, in SQL.

Here: ``SessionRecords`` and ``SpentProofRecords`` with their statements. Not here: what ends a
session (services).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects import sqlite

from protem.domain.errors import NotFoundError
from protem.domain.principals import PrincipalId
from protem.domain.sign_in_sessions import SignInMethod, SignInSession
from protem.storage import statements
from protem.storage.moments import from_moment, to_moment
from protem.storage.schema import tokens
from protem.storage.session import Row, Session
from protem.storage.session_tables import sessions, sign_in_marks, spent_proofs

_DIALECT = sqlite.dialect(paramstyle="named")
_FACTS = select(
    sessions.c.id,
    tokens.c.owner,
    sessions.c.method,
    sessions.c.client,
    sessions.c.began_at,
    sessions.c.used_at,
    tokens.c.expires_at,
).join(tokens, tokens.c.hash == sessions.c.hash)
_ADD = str(insert(sessions).compile(dialect=_DIALECT))
_FIND = str(_FACTS.where(sessions.c.hash == bindparam("hash")).compile(dialect=_DIALECT))
_OF = str(
    _FACTS.where(tokens.c.owner == bindparam("owner"))
    .order_by(sessions.c.began_at.desc(), sessions.c.id)
    .compile(dialect=_DIALECT)
)
_MARK = str(insert(sign_in_marks).compile(dialect=_DIALECT))
_MARKS_OF = str(
    select(sign_in_marks.c.mark)
    .where(sign_in_marks.c.hash == bindparam("hash"))
    .compile(dialect=_DIALECT)
)
_MARKED = str(
    select(tokens.c.owner)
    .distinct()
    .join(sign_in_marks, sign_in_marks.c.hash == tokens.c.hash)
    .where(sign_in_marks.c.mark == bindparam("mark"))
    .order_by(tokens.c.owner)
    .compile(dialect=_DIALECT)
)
_USE = str(
    update(sessions)
    .where(sessions.c.hash == bindparam("token_hash"), sessions.c.used_at < bindparam("at"))
    .values(used_at=bindparam("at"))
    .compile(dialect=_DIALECT)
)
_END = str(
    delete(tokens)
    .where(tokens.c.hash.in_(select(sessions.c.hash).where(sessions.c.id == bindparam("id"))))
    .compile(dialect=_DIALECT)
)
_FORGET_EXPIRED = str(
    delete(tokens).where(tokens.c.expires_at <= bindparam("now")).compile(dialect=_DIALECT)
)
_FORGET_IDLE = str(
    delete(tokens)
    .where(
        tokens.c.hash.in_(
            select(sessions.c.hash).where(sessions.c.used_at < bindparam("unused_since"))
        )
    )
    .compile(dialect=_DIALECT)
)
_SPEND = str(insert(spent_proofs).compile(dialect=_DIALECT))
_FORGET_SPENT = str(
    delete(spent_proofs)
    .where(spent_proofs.c.until <= bindparam("moment"))
    .compile(dialect=_DIALECT)
)


class SessionTable:
    """``SessionRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token_hash: bytes, session: SignInSession, marks: Collection[bytes] = ()) -> None:
        """Insert the token, the facts and the marks, or raise ``ConflictError``."""
        token = {
            "hash": token_hash,
            "owner": str(session.owner),
            "expires_at": from_moment(session.expires_at),
            "single_use": 0,
        }
        facts = {
            "hash": token_hash,
            "id": session.id,
            "method": session.method,
            "client": session.client,
            "began_at": from_moment(session.began_at),
            "used_at": from_moment(session.used_at),
        }
        self._session.change(statements.TOKEN_ADD, token)
        self._session.change(_ADD, facts)
        for mark in marks:
            self._session.change(_MARK, {"hash": token_hash, "mark": mark})

    def find(self, token_hash: bytes) -> SignInSession | None:
        """Return the facts of one token."""
        row = self._session.row(_FIND, {"hash": token_hash})
        return None if row is None else _session_of(row)

    def of(self, owner: PrincipalId) -> Sequence[SignInSession]:
        """Return an account's sessions, newest first."""
        return tuple(map(_session_of, self._session.rows(_OF, {"owner": str(owner)})))

    def marked(self, mark: bytes) -> Sequence[PrincipalId]:
        """Return whose sign-ins bear the mark."""
        rows = self._session.rows(_MARKED, {"mark": mark})
        return tuple(PrincipalId.parse(str(owner)) for (owner,) in rows)

    def marks(self, token_hash: bytes) -> Collection[bytes]:
        """Return the marks of one sign-in."""
        rows = self._session.rows(_MARKS_OF, {"hash": token_hash})
        return tuple(bytes(mark) for (mark,) in rows)

    def note_use(self, token_hash: bytes, at: datetime) -> None:
        """Move the last use forward."""
        self._session.change(_USE, {"token_hash": token_hash, "at": from_moment(at)})

    def end(self, owner: PrincipalId, session_id: str) -> SignInSession:
        """Delete the token; the facts go with it."""
        for session in self.of(owner):
            if session.id == session_id:
                self._session.change(_END, {"id": session_id})
                return session
        raise NotFoundError("there is no such session of yours")

    def forget_over(self, *, now: datetime, unused_since: datetime) -> int:
        """Delete what expired, and what nobody used."""
        gone = self._session.change(_FORGET_EXPIRED, {"now": from_moment(now)})
        idle = {"unused_since": from_moment(unused_since)}
        return gone + self._session.change(_FORGET_IDLE, idle)


class SpentProofTable:
    """``SpentProofRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def spend(self, digest: bytes, *, until: datetime) -> None:
        """Insert the digest, or raise ``ConflictError``."""
        self._session.change(_SPEND, {"digest": digest, "until": from_moment(until)})

    def forget_before(self, moment: datetime) -> int:
        """Delete old digests."""
        return self._session.change(_FORGET_SPENT, {"moment": from_moment(moment)})


def _session_of(row: Row) -> SignInSession:
    name, owner, method, client, began_at, used_at, expires_at = row
    return SignInSession(
        id=name,
        owner=PrincipalId.parse(owner),
        method=SignInMethod(method),
        client=client,
        began_at=to_moment(began_at),
        used_at=to_moment(used_at),
        expires_at=to_moment(expires_at),
    )
