"""The tables of sessions, of what begins and ends them, and of spent proofs.

Conventions are those of ``schema``. A session's owner and expiry are its token's.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from protem.domain.device_sign_ins import DeviceVerdict
from protem.domain.sign_in_sessions import SignInMethod
from protem.storage.schema import metadata, tokens

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, ForeignKey("tokens.hash", ondelete="CASCADE"), nullable=False),
    Column("id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("hash"),
    UniqueConstraint("id"),
    CheckConstraint(
        "(" + " OR ".join(f"method = '{method}'" for method in sorted(SignInMethod)) + ")",
        name="method",
    ),
    CheckConstraint("used_at >= began_at", name="used_at"),
)
Index("sessions_by_use", sessions.c.used_at)
Index("tokens_by_expiry", tokens.c.expires_at)

sign_in_marks = Table(
    "sign_in_marks",
    metadata,
    Column("hash", LargeBinary, ForeignKey("tokens.hash", ondelete="CASCADE"), nullable=False),
    Column("mark", LargeBinary, nullable=False),
    PrimaryKeyConstraint("hash", "mark"),
)
Index("sign_in_marks_by_mark", sign_in_marks.c.mark)

device_sign_ins = Table(
    "device_sign_ins",
    metadata,
    Column("hash", LargeBinary, nullable=False),
    Column("user_code", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("decided_by", Text, nullable=True),
    Column("port", BigInteger, nullable=True),
    Column("proof", LargeBinary, nullable=True),
    Column("session", LargeBinary, nullable=True),
    PrimaryKeyConstraint("hash"),
    UniqueConstraint("user_code"),
    CheckConstraint(
        "(" + " OR ".join(f"verdict = '{word}'" for word in sorted(DeviceVerdict)) + ")",
        name="verdict",
    ),
    CheckConstraint("(verdict = 'pending') = (decided_by IS NULL)", name="decided_by"),
)
Index("device_sign_ins_by_age", device_sign_ins.c.at)

spent_proofs = Table(
    "spent_proofs",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("digest"),
)
Index("spent_proofs_by_age", spent_proofs.c.until)
