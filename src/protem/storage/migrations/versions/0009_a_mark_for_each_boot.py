"""One clock mark for each boot, not one for all: a process finds its own again beside another's.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table anew, since SQLite changes no key; the mark that is there is kept."""
    op.rename_table("clock_marks", "clock_marks_before")
    op.create_table(
        "clock_marks",
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("since_boot", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("boot", name=op.f("clock_marks_pk")),
    )
    op.execute(
        "INSERT INTO clock_marks (boot, moment, since_boot)"
        " SELECT boot, moment, since_boot FROM clock_marks_before"
    )
    op.drop_table("clock_marks_before")
