"""Terminals that wait to be signed in, and marks by which a provider ends sign-ins.

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
    """Make both tables and their indexes."""
    op.create_table(
        "sign_in_marks",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hash"], ["tokens.hash"], name=op.f("sign_in_marks_hash_fk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", "mark", name=op.f("sign_in_marks_pk")),
    )
    op.create_index("sign_in_marks_by_mark", "sign_in_marks", ["mark"], unique=False)
    op.create_table(
        "device_sign_ins",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_code", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(verdict = 'approved' OR verdict = 'denied' OR verdict = 'pending')",
            name=op.f("device_sign_ins_verdict"),
        ),
        sa.CheckConstraint(
            "(verdict = 'pending') = (decided_by IS NULL)",
            name=op.f("device_sign_ins_decided_by"),
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("device_sign_ins_pk")),
        sa.UniqueConstraint("user_code", name=op.f("device_sign_ins_user_code_uq")),
    )
    op.create_index("device_sign_ins_by_age", "device_sign_ins", ["at"], unique=False)
