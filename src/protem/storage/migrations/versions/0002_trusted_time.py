"""The clock's mark, and until when an attempt of unknown outcome may take effect.

Frozen, as every step is.
"""

# ruff: noqa: E501  # SQL as the database keeps it

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; the trigger over a grant's columns learns of the new one."""
    op.create_table(
        "clock_marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("since_boot", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("clock_marks_only")),
        sa.PrimaryKeyConstraint("id", name=op.f("clock_marks_pk")),
    )
    op.add_column("grants", sa.Column("unsettled_until", sa.BigInteger(), nullable=True))
    op.execute("DROP TRIGGER grants_change")
    op.execute(sa.text(_GRANTS_CHANGE))


_GRANTS_CHANGE = """CREATE TRIGGER grants_change BEFORE UPDATE OF id, version, state, revision, proposed_revision, principal, target, duration, requested_at, lapses_at, due_at, activated_at, expires_at, applied_until, provisioned_at, ended_at, end_cause, public_half, signed_order, receipt, unsettled_until, attempts, last_error ON grants
BEGIN
  SELECT RAISE(ABORT, 'a grant that is over never changes')
    WHERE (OLD.state = 'cancelled' OR OLD.state = 'denied' OR OLD.state = 'ended' OR OLD.state = 'lapsed');
  SELECT RAISE(ABORT, 'the grant changed; read it again')
    WHERE NEW.version IS NOT OLD.version + 1;
  SELECT RAISE(ABORT, 'the life cycle has no such change of state')
    WHERE NOT CASE OLD.state
      WHEN 'pending' THEN (NEW.state = 'approved' OR NEW.state = 'cancelled' OR NEW.state = 'denied' OR NEW.state = 'lapsed' OR NEW.state = 'pending')
      WHEN 'approved' THEN (NEW.state = 'approved' OR NEW.state = 'cancelled' OR NEW.state = 'denied' OR NEW.state = 'lapsed' OR NEW.state = 'pending' OR NEW.state = 'provisioning')
      WHEN 'provisioning' THEN (NEW.state = 'active' OR NEW.state = 'ending' OR NEW.state = 'provisioning')
      WHEN 'active' THEN (NEW.state = 'active' OR NEW.state = 'ending')
      WHEN 'ending' THEN (NEW.state = 'ended' OR NEW.state = 'ending' OR NEW.state = 'stuck')
      WHEN 'stuck' THEN (NEW.state = 'ended' OR NEW.state = 'stuck')
      ELSE FALSE END;
  SELECT RAISE(ABORT, 'whose grant it is, and where, never changes')
    WHERE NEW.id IS NOT OLD.id OR NEW.principal IS NOT OLD.principal OR NEW.target IS NOT OLD.target OR NEW.requested_at IS NOT OLD.requested_at;
  SELECT RAISE(ABORT, 'a grant is activated once')
    WHERE OLD.activated_at IS NOT NULL AND NEW.activated_at IS NOT OLD.activated_at;
  SELECT RAISE(ABORT, 'expires_at only moves later, and only while active')
    WHERE OLD.expires_at IS NOT NULL AND NEW.expires_at IS NOT OLD.expires_at AND NOT (OLD.state = 'active' AND NEW.state = 'active' AND NEW.expires_at > OLD.expires_at);
END"""
