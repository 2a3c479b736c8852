"""The table of links that answer a request. Conventions are those of ``schema``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from protem.storage.schema import metadata

answer_links = Table(
    "answer_links",
    metadata,
    Column("hash", LargeBinary, nullable=False),
    Column("person", Text, nullable=False),
    Column("grant_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("hash"),
    ForeignKeyConstraint(
        ["grant_id", "revision"], ["request_revisions.grant_id", "request_revisions.number"]
    ),
)
Index("answer_links_of", answer_links.c.grant_id, answer_links.c.person)
Index("answer_links_by_age", answer_links.c.expires_at)
