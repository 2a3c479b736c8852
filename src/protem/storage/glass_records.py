"""Broken glass and codes, in SQL.

Here: ``GlassRecords`` and ``GlassCodeRecords`` with their statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from protem.domain.broken_glass import BrokenGlass, GlassReview, GlassVerdict, reviewed
from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.principals import PrincipalId
from protem.storage.glass_tables import broken_glass, glass_codes
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Row, Session

_DIALECT = sqlite.dialect(paramstyle="named")
_MICROSECOND = timedelta(microseconds=1)
_ADD = str(
    insert(broken_glass)
    .values(
        {
            name: bindparam(name)
            for name in ("grant_id", "person", "target", "broken_at", "review_within")
        }
    )
    .compile(dialect=_DIALECT)
)
_GET = str(
    select(broken_glass).where(broken_glass.c.grant_id == bindparam("id")).compile(dialect=_DIALECT)
)
_REVIEW = str(
    update(broken_glass)
    .where(broken_glass.c.grant_id == bindparam("id"), broken_glass.c.verdict.is_(None))
    .values(
        {
            name: bindparam(name)
            for name in ("reviewer", "reviewer_person", "verdict", "comment", "reviewed_at")
        }
    )
    .compile(dialect=_DIALECT)
)
_OPEN = str(
    select(broken_glass)
    .where(broken_glass.c.verdict.is_(None))
    .order_by(broken_glass.c.grant_id)
    .limit(bindparam("most"))
    .offset(bindparam("skip"))
    .compile(dialect=_DIALECT)
)
_ALL = str(
    select(broken_glass)
    .order_by(broken_glass.c.grant_id.desc())
    .limit(bindparam("most"))
    .offset(bindparam("skip"))
    .compile(dialect=_DIALECT)
)
_CODE_ADD = str(insert(glass_codes).compile(dialect=_DIALECT))
_CODES_DROP = str(
    delete(glass_codes).where(glass_codes.c.owner == bindparam("owner")).compile(dialect=_DIALECT)
)
_CODE_GET = str(
    select(glass_codes.c.owner)
    .where(glass_codes.c.hash == bindparam("hash"), glass_codes.c.expires_at > bindparam("now"))
    .compile(dialect=_DIALECT)
)
_CODE_DROP = str(
    delete(glass_codes).where(glass_codes.c.hash == bindparam("hash")).compile(dialect=_DIALECT)
)
_CODES_LEFT = str(
    select(func.count())
    .select_from(glass_codes)
    .where(glass_codes.c.owner == bindparam("owner"), glass_codes.c.expires_at > bindparam("now"))
    .compile(dialect=_DIALECT)
)


class GlassTable:
    """``GlassRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, broken: BrokenGlass) -> None:
        """Insert, or raise ``ConflictError``."""
        values = {
            "grant_id": broken.grant_id,
            "person": str(broken.person),
            "target": broken.target,
            "broken_at": from_moment(broken.broken_at),
            "review_within": broken.review_within // _MICROSECOND,
        }
        self._session.change(_ADD, values)

    def get(self, grant_id: GrantId) -> BrokenGlass:
        """Return one, or raise ``NotFoundError``."""
        row = self._session.row(_GET, {"id": grant_id})
        if row is None:
            raise NotFoundError(f"no glass was broken for {grant_id}")
        return _broken(row)

    def review(self, grant_id: GrantId, review: GlassReview) -> None:
        """Fill the review in, once."""
        reviewed(self.get(grant_id), review)
        values = {
            "id": grant_id,
            "reviewer": str(review.reviewer),
            "reviewer_person": str(review.reviewer_person),
            "verdict": review.verdict,
            "comment": review.comment,
            "reviewed_at": from_moment(review.at),
        }
        self._session.change(_REVIEW, values)

    def list(self, *, open_only: bool, limit: int = 100) -> Sequence[BrokenGlass]:
        """Return open ones oldest first, or all newest first."""
        rows = self._session.rows(_OPEN if open_only else _ALL, {"most": limit, "skip": 0})
        return tuple(map(_broken, rows))


class GlassCodeTable:
    """``GlassCodeRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def replace(self, owner: PrincipalId, hashes: Sequence[bytes], *, expires_at: datetime) -> None:
        """Drop the owner's codes and insert these."""
        self._session.change(_CODES_DROP, {"owner": str(owner)})
        for code_hash in hashes:
            values = {
                "hash": code_hash,
                "owner": str(owner),
                "expires_at": from_moment(expires_at),
            }
            self._session.change(_CODE_ADD, values)

    def owner_of(self, code_hash: bytes, *, now: datetime) -> PrincipalId | None:
        """Return whose code it is."""
        row = self._session.row(_CODE_GET, {"hash": code_hash, "now": from_moment(now)})
        return None if row is None else PrincipalId.parse(row[0])

    def use(self, code_hash: bytes, *, now: datetime) -> PrincipalId:
        """Delete the code; raise ``UnauthenticatedError`` when it cannot be used."""
        self._session.check_writable()
        owner = self.owner_of(code_hash, now=now)
        if owner is None:
            raise UnauthenticatedError("the code is unknown, expired or used up")
        self._session.change(_CODE_DROP, {"hash": code_hash})
        return owner

    def left(self, owner: PrincipalId, *, now: datetime) -> int:
        """Count the codes that can be used."""
        row = self._session.row(_CODES_LEFT, {"owner": str(owner), "now": from_moment(now)})
        return 0 if row is None else int(row[0])


def _broken(row: Row) -> BrokenGlass:
    grant_id, person, target, broken_at, within, reviewer, by, verdict, comment, at = row
    review = None
    if verdict is not None:
        review = GlassReview(
            reviewer=PrincipalId.parse(reviewer),
            reviewer_person=PrincipalId.parse(by),
            verdict=GlassVerdict(verdict),
            comment=comment,
            at=to_moment(at),
        )
    return BrokenGlass(
        grant_id=GrantId(grant_id),
        person=PrincipalId.parse(person),
        target=TargetName(target),
        broken_at=to_moment(broken_at),
        review_within=within * _MICROSECOND,
        review=review,
    )
