"""Tables of reviews beyond verdicts: offers, comments, delegations, and what rotas said.

Here: the tables, by the conventions of ``schema``. Not here: the triggers that keep offers and
comments as they are (``triggers``).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from protem.storage.schema import metadata

request_offers = Table(
    "request_offers",
    metadata,
    Column("grant_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("base_revision", Integer, nullable=False),
    Column("offered_by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("grant_id", "revision"),
    ForeignKeyConstraint(
        ["grant_id", "revision"], ["request_revisions.grant_id", "request_revisions.number"]
    ),
    CheckConstraint("base_revision >= 1 AND base_revision < revision", name="base"),
)

request_comments = Table(
    "request_comments",
    metadata,
    Column("grant_id", Text, ForeignKey("grants.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("grant_id", "number"),
    CheckConstraint("number >= 1", name="number"),
)

delegations = Table(
    "delegations",
    metadata,
    Column("id", Text, nullable=False),
    Column("delegator", Text, nullable=False),
    Column("delegate", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("group_name", Text),
    Column("ended_at", BigInteger),
    PrimaryKeyConstraint("id"),
    CheckConstraint("made_at < until", name="length"),
)
Index("delegations_to", delegations.c.delegate, delegations.c.until)
Index("delegations_by_end", delegations.c.until, delegations.c.id)

oncall_answers = Table(
    "oncall_answers",
    metadata,
    Column("schedule", Text, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("schedule"),
)
