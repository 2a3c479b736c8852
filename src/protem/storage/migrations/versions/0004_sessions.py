"""Sessions as people see them, and proofs that were spent.

Frozen, as every step is. Tokens that are there already go on to count until they expire.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables, and the index by which tokens are forgotten."""
    op.create_table(
        "sessions",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(method = 'device' OR method = 'oidc' OR method = 'one_time_token'"
            " OR method = 'workload')",
            name=op.f("sessions_method"),
        ),
        sa.CheckConstraint("used_at >= began_at", name=op.f("sessions_used_at")),
        sa.ForeignKeyConstraint(
            ["hash"], ["tokens.hash"], name=op.f("sessions_hash_fk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("sessions_pk")),
        sa.UniqueConstraint("id", name=op.f("sessions_id_uq")),
    )
    op.create_index("sessions_by_use", "sessions", ["used_at"], unique=False)
    op.create_index("tokens_by_expiry", "tokens", ["expires_at"], unique=False)
    op.create_table(
        "spent_proofs",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("spent_proofs_pk")),
    )
    op.create_index("spent_proofs_by_age", "spent_proofs", ["until"], unique=False)
