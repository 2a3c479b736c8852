"""Broken glass with the reviews it owes, and codes for sealed envelopes.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "broken_glass",
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("broken_at", sa.BigInteger(), nullable=False),
        sa.Column("review_within", sa.BigInteger(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=True),
        sa.Column("reviewer_person", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "verdict IS NULL OR verdict = 'justified' OR verdict = 'not_justified'",
            name=op.f("broken_glass_verdict"),
        ),
        sa.CheckConstraint(
            "(reviewer IS NULL) = (verdict IS NULL)"
            " AND (reviewer_person IS NULL) = (verdict IS NULL)"
            " AND (comment IS NULL) = (verdict IS NULL)"
            " AND (reviewed_at IS NULL) = (verdict IS NULL)",
            name=op.f("broken_glass_review"),
        ),
        sa.CheckConstraint(
            "reviewer <> person AND reviewer_person <> person", name=op.f("broken_glass_reviewer")
        ),
        sa.CheckConstraint("review_within >= 0", name=op.f("broken_glass_review_within")),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name=op.f("broken_glass_grant_id_fk")),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("broken_glass_pk")),
    )
    op.create_index(
        "broken_glass_open",
        "broken_glass",
        ["grant_id"],
        unique=False,
        sqlite_where=sa.text("verdict IS NULL"),
        postgresql_where=sa.text("verdict IS NULL"),
    )
    op.create_table(
        "glass_codes",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.id"], name=op.f("glass_codes_owner_fk")),
        sa.PrimaryKeyConstraint("hash", name=op.f("glass_codes_pk")),
    )
    op.create_index("glass_codes_of", "glass_codes", ["owner"], unique=False)
