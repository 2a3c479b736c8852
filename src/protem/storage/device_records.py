"""Terminals that wait to be signed in, in SQL.

Here: ``DeviceRecords`` with its statements. Not here: how long one waits (``domain``).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from protem.domain.device_sign_ins import DeviceSignIn, DeviceVerdict
from protem.domain.principals import PrincipalId
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Row, Session
from protem.storage.session_tables import device_sign_ins

_DIALECT = sqlite.dialect(paramstyle="named")
_FACTS = select(*(column for column in device_sign_ins.c if column.name != "hash"))
_ADD = str(insert(device_sign_ins).compile(dialect=_DIALECT))
_GET = str(_FACTS.where(device_sign_ins.c.hash == bindparam("hash")).compile(dialect=_DIALECT))
_FIND = str(
    _FACTS.where(device_sign_ins.c.user_code == bindparam("user_code")).compile(dialect=_DIALECT)
)
_COUNT = str(select(func.count()).select_from(device_sign_ins).compile(dialect=_DIALECT))
_SAVE = str(
    update(device_sign_ins)
    .where(device_sign_ins.c.user_code == bindparam("code"))
    .values(
        verdict=bindparam("verdict"),
        decided_by=bindparam("decided_by"),
        proof=bindparam("proof"),
        session=bindparam("session"),
    )
    .compile(dialect=_DIALECT)
)
_DROP = str(
    delete(device_sign_ins)
    .where(device_sign_ins.c.hash == bindparam("hash"))
    .compile(dialect=_DIALECT)
)
_FORGET = str(
    delete(device_sign_ins)
    .where(device_sign_ins.c.at <= bindparam("moment"))
    .compile(dialect=_DIALECT)
)


class DeviceTable:
    """``DeviceRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, code_hash: bytes, asked: DeviceSignIn) -> None:
        """Insert, or raise ``ConflictError``."""
        row = {
            "hash": code_hash,
            "user_code": asked.user_code,
            "said": asked.said,
            "address": asked.address,
            "at": from_moment(asked.at),
            "port": asked.port,
        }
        self._session.change(_ADD, row | _answer(asked))

    def get(self, code_hash: bytes) -> DeviceSignIn | None:
        """Return one by its long code's fingerprint."""
        row = self._session.row(_GET, {"hash": code_hash})
        return None if row is None else _device_of(row)

    def find(self, user_code: str) -> DeviceSignIn | None:
        """Return one by its short code."""
        row = self._session.row(_FIND, {"user_code": user_code})
        return None if row is None else _device_of(row)

    def count(self) -> int:
        """Count them."""
        row = self._session.row(_COUNT, {})
        return 0 if row is None else int(row[0])

    def save(self, asked: DeviceSignIn) -> None:
        """Keep the answer."""
        self._session.change(_SAVE, {"code": asked.user_code, **_answer(asked)})

    def drop(self, code_hash: bytes) -> bool:
        """Delete one."""
        return self._session.change(_DROP, {"hash": code_hash}) > 0

    def forget_before(self, moment: datetime) -> int:
        """Delete old ones."""
        return self._session.change(_FORGET, {"moment": from_moment(moment)})


def _answer(asked: DeviceSignIn) -> dict[str, str | bytes | None]:
    return {
        "verdict": asked.verdict,
        "decided_by": None if asked.by is None else str(asked.by),
        "proof": asked.proof,
        "session": asked.session,
    }


def _device_of(row: Row) -> DeviceSignIn:
    user_code, said, address, at, verdict, by, port, proof, session = row
    return DeviceSignIn(
        user_code=user_code,
        said=said,
        address=address,
        at=to_moment(at),
        verdict=DeviceVerdict(verdict),
        by=None if by is None else PrincipalId.parse(by),
        port=port,
        proof=proof,
        session=session,
    )
