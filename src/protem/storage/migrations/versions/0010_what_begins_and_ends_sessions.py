"""Terminals that wait to be signed in, one more way to begin, marks by which sign-ins end.

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
    """Make the tables and their indexes."""
    _sessions_anew()
    _marks()
    _devices()


def _sessions_anew() -> None:
    """SQLite changes no check."""
    op.execute(
        "CREATE TABLE sessions_now AS"
        " SELECT hash, id, method, client, began_at, used_at FROM sessions"
    )
    op.drop_table("sessions")
    op.create_table(
        "sessions",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(method = 'device' OR method = 'loopback' OR method = 'oidc'"
            " OR method = 'one_time_token' OR method = 'workload')",
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
    op.execute("INSERT INTO sessions SELECT * FROM sessions_now")
    op.drop_table("sessions_now")


def _marks() -> None:
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


def _devices() -> None:
    op.create_table(
        "device_sign_ins",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_code", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("port", sa.BigInteger(), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("session", sa.LargeBinary(), nullable=True),
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
