"""Notices on their way out.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its indexes."""
    op.create_table(
        "notice_deliveries",
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(state = 'delivered' OR state = 'given_up' OR state = 'waiting')",
            name=op.f("notice_deliveries_state"),
        ),
        sa.CheckConstraint(
            "(due_at IS NULL) = (state <> 'waiting')", name=op.f("notice_deliveries_due_at")
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("notice_deliveries_attempts")),
        sa.PrimaryKeyConstraint("notice", "channel", name=op.f("notice_deliveries_pk")),
    )
    op.create_index(
        "notice_deliveries_due",
        "notice_deliveries",
        ["channel", "due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "notice_deliveries_by_state", "notice_deliveries", ["state", "at"], unique=False
    )
