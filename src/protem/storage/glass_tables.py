"""The tables of broken glass and of codes for sealed envelopes.

Conventions are those of ``schema``. A review's columns are all empty or all filled. Grants' entries
in the log are the record for auditors; these rows say what is still owed.
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
)

from protem.domain.broken_glass import GlassVerdict
from protem.storage.schema import metadata

_REVIEW = ("reviewer", "reviewer_person", "verdict", "comment", "reviewed_at")

broken_glass = Table(
    "broken_glass",
    metadata,
    Column("grant_id", Text, ForeignKey("grants.id"), nullable=False),
    Column("person", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("broken_at", BigInteger, nullable=False),
    Column("review_within", BigInteger, nullable=False),
    *(Column(name, Text) for name in _REVIEW[:-1]),
    Column("reviewed_at", BigInteger),
    PrimaryKeyConstraint("grant_id"),
    CheckConstraint(
        "verdict IS NULL OR "
        + " OR ".join(f"verdict = '{verdict}'" for verdict in sorted(GlassVerdict)),
        name="verdict",
    ),
    CheckConstraint(
        " AND ".join(
            f"({name} IS NULL) = (verdict IS NULL)" for name in _REVIEW if name != "verdict"
        ),
        name="review",
    ),
    CheckConstraint("reviewer <> person AND reviewer_person <> person", name="reviewer"),
    CheckConstraint("review_within >= 0", name="review_within"),
)
_open = broken_glass.c.verdict.is_(None)
Index("broken_glass_open", broken_glass.c.grant_id, sqlite_where=_open, postgresql_where=_open)

glass_codes = Table(
    "glass_codes",
    metadata,
    Column("hash", LargeBinary, nullable=False),
    Column("owner", Text, ForeignKey("accounts.id"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("hash"),
)
Index("glass_codes_of", glass_codes.c.owner)
