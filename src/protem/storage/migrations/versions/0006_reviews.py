"""Offers, comments, delegations, and what rotas said.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; offers and comments are never changed."""
    _offers_and_comments()
    op.create_table(
        "delegations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("delegator", sa.Text(), nullable=False),
        sa.Column("delegate", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("made_at < until", name=op.f("delegations_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("delegations_pk")),
    )
    op.create_index("delegations_to", "delegations", ["delegate", "until"])
    op.create_index("delegations_by_end", "delegations", ["until", "id"])
    op.create_table(
        "oncall_answers",
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("schedule", name=op.f("oncall_answers_pk")),
    )
    for text in _TRIGGERS:
        op.execute(sa.text(text))


def _offers_and_comments() -> None:
    op.create_table(
        "request_offers",
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("base_revision", sa.Integer(), nullable=False),
        sa.Column("offered_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "base_revision >= 1 AND base_revision < revision", name=op.f("request_offers_base")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id", "revision"],
            ["request_revisions.grant_id", "request_revisions.number"],
            name=op.f("request_offers_grant_id_revision_fk"),
        ),
        sa.PrimaryKeyConstraint("grant_id", "revision", name=op.f("request_offers_pk")),
    )
    op.create_table(
        "request_comments",
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("request_comments_number")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("request_comments_grant_id_fk")
        ),
        sa.PrimaryKeyConstraint("grant_id", "number", name=op.f("request_comments_pk")),
    )


_TRIGGERS = (
    """CREATE TRIGGER request_offers_no_update BEFORE UPDATE ON request_offers
BEGIN
  SELECT RAISE(ABORT, 'an offer is never changed');
END""",
    """CREATE TRIGGER request_offers_no_delete BEFORE DELETE ON request_offers
BEGIN
  SELECT RAISE(ABORT, 'an offer is never changed');
END""",
    """CREATE TRIGGER request_comments_no_update BEFORE UPDATE ON request_comments
BEGIN
  SELECT RAISE(ABORT, 'a comment is never changed');
END""",
    """CREATE TRIGGER request_comments_no_delete BEFORE DELETE ON request_comments
BEGIN
  SELECT RAISE(ABORT, 'a comment is never changed');
END""",
)
