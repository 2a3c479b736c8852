"""What a channel calls a message, and which version of its grant the message shows.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; messages of before are not rewritten."""
    op.add_column("notice_deliveries", sa.Column("about", sa.Text(), nullable=True))
    op.add_column(
        "notice_deliveries", sa.Column("receipt", sa.Text(), server_default="", nullable=False)
    )
    op.add_column("notice_deliveries", sa.Column("shown_version", sa.BigInteger(), nullable=True))
    op.create_index(
        "notice_deliveries_kept_true",
        "notice_deliveries",
        ["channel", "at"],
        unique=False,
        sqlite_where=sa.text("shown_version IS NOT NULL"),
        postgresql_where=sa.text("shown_version IS NOT NULL"),
    )
