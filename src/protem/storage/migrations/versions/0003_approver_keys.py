"""Approvers' keys, and the challenges that new ones answer.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables and what guards the first."""
    op.create_table(
        "approver_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.Column("declared", sa.Integer(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(kind = 'ssh' OR kind = 'webauthn')", name=op.f("approver_keys_kind")),
        sa.CheckConstraint(
            "declared IN (0, 1) AND sign_count >= 0", name=op.f("approver_keys_counts")
        ),
        sa.CheckConstraint(
            "removed_at IS NULL OR removed_at >= added_at", name=op.f("approver_keys_removed_at")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("approver_keys_pk")),
    )
    op.create_index("approver_keys_of", "approver_keys", ["owner", "added_at", "id"])
    op.create_table(
        "key_challenges",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(kind = 'ssh' OR kind = 'webauthn')", name=op.f("key_challenges_kind")),
        sa.PrimaryKeyConstraint("owner", "kind", name=op.f("key_challenges_pk")),
    )
    for trigger in _TRIGGERS:
        op.execute(sa.text(trigger))


_TRIGGERS = (
    """CREATE TRIGGER approver_keys_stay BEFORE DELETE ON approver_keys
BEGIN
  SELECT RAISE(ABORT, 'a key is never deleted');
END""",
    """CREATE TRIGGER approver_keys_change BEFORE UPDATE ON approver_keys
BEGIN
  SELECT RAISE(ABORT, 'whose key it is, and its material, never change')
    WHERE NEW.id IS NOT OLD.id OR NEW.owner IS NOT OLD.owner OR NEW.kind IS NOT OLD.kind OR NEW.public_key IS NOT OLD.public_key;
END""",  # noqa: E501  # SQL as the database keeps it
    """CREATE TRIGGER approver_keys_once BEFORE INSERT ON approver_keys
BEGIN
  SELECT RAISE(ABORT, 'this key is known already')
    WHERE EXISTS (SELECT 1 FROM approver_keys WHERE id = NEW.id);
END""",
)
