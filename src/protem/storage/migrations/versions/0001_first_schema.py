"""The first schema: grants, requests, approvals, the log, accounts, remembered answers.

Frozen: a test holds the sum of all steps equal to ``schema.py`` and ``triggers.py``.
"""

# ruff: noqa: E501  # SQL as the database keeps it

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make everything."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("acts_for", sa.Text(), nullable=True),
        sa.Column("disabled", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'agent' OR kind = 'person' OR kind = 'workload')", name=op.f("accounts_kind")
        ),
        sa.CheckConstraint("disabled IN (0, 1)", name=op.f("accounts_disabled")),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pk")),
    )
    op.create_table(
        "audit_entries",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("position >= 0", name=op.f("audit_entries_position")),
        sa.PrimaryKeyConstraint("position", name=op.f("audit_entries_pk")),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("proposed_revision", sa.Integer(), nullable=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("lapses_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("applied_until", sa.BigInteger(), nullable=True),
        sa.Column("provisioned_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_cause", sa.Text(), nullable=True),
        sa.Column("public_half", sa.Text(), nullable=True),
        sa.Column("signed_order", sa.Text(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(activated_at IS NOT NULL) = (state = 'active' OR state = 'ended' OR state = 'ending' OR state = 'provisioning' OR state = 'stuck')",
            name=op.f("grants_activated_at"),
        ),
        sa.CheckConstraint(
            "(due_at IS NULL) = (state = 'cancelled' OR state = 'denied' OR state = 'ended' OR state = 'lapsed')",
            name=op.f("grants_due_at"),
        ),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state = 'cancelled' OR state = 'denied' OR state = 'ended' OR state = 'lapsed')",
            name=op.f("grants_ended_at"),
        ),
        sa.CheckConstraint(
            "(expires_at IS NOT NULL) = (state = 'active' OR state = 'ended' OR state = 'ending' OR state = 'provisioning' OR state = 'stuck')",
            name=op.f("grants_expires_at"),
        ),
        sa.CheckConstraint(
            "(state = 'active' OR state = 'approved' OR state = 'cancelled' OR state = 'denied' OR state = 'ended' OR state = 'ending' OR state = 'lapsed' OR state = 'pending' OR state = 'provisioning' OR state = 'stuck')",
            name=op.f("grants_state"),
        ),
        sa.CheckConstraint(
            "(lease_owner IS NULL) = (lease_until IS NULL)", name=op.f("grants_lease")
        ),
        sa.CheckConstraint("duration BETWEEN 1 AND 2592000000000", name=op.f("grants_duration")),
        sa.CheckConstraint(
            "expires_at IS NULL OR expires_at - activated_at BETWEEN 1 AND 2592000000000",
            name=op.f("grants_length"),
        ),
        sa.CheckConstraint(
            "version >= 1 AND revision >= 1 AND attempts >= 0", name=op.f("grants_counts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("grants_pk")),
    )
    op.create_index(
        "grants_due",
        "grants",
        ["due_at", "id"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "grants_leased",
        "grants",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index("grants_of", "grants", ["principal", "id"], unique=False)
    op.create_index(
        "grants_open",
        "grants",
        ["id"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "grants_open_at",
        "grants",
        ["target", "id"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "remembered_answers",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("remembered_answers_pk")),
    )
    op.create_index("remembered_answers_by_age", "remembered_answers", ["at"], unique=False)
    op.create_table(
        "account_groups",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("account_groups_account_fk")
        ),
        sa.PrimaryKeyConstraint("account", "name", name=op.f("account_groups_pk")),
    )
    op.create_index("account_groups_members", "account_groups", ["name", "account"], unique=False)
    op.create_table(
        "request_revisions",
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("plan_notes", sa.Text(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("request_revisions_number")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("request_revisions_grant_id_fk")
        ),
        sa.PrimaryKeyConstraint("grant_id", "number", name=op.f("request_revisions_pk")),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("single_use", sa.Integer(), nullable=False),
        sa.CheckConstraint("single_use IN (0, 1)", name=op.f("tokens_single_use")),
        sa.ForeignKeyConstraint(["owner"], ["accounts.id"], name=op.f("tokens_owner_fk")),
        sa.PrimaryKeyConstraint("hash", name=op.f("tokens_pk")),
    )
    op.create_index("tokens_of", "tokens", ["owner"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(verdict = 'approve' OR verdict = 'deny')", name=op.f("approvals_verdict")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id", "revision"],
            ["request_revisions.grant_id", "request_revisions.number"],
            name=op.f("approvals_grant_id_revision_fk"),
        ),
        sa.PrimaryKeyConstraint("grant_id", "revision", "reviewer", name=op.f("approvals_pk")),
        sa.UniqueConstraint(
            "grant_id", "revision", "person", name=op.f("approvals_grant_id_revision_person_uq")
        ),
    )
    for trigger in _TRIGGERS:
        op.execute(sa.text(trigger.replace(":", "\\:")))


_TRIGGERS = (
    """CREATE TRIGGER grants_begin BEFORE INSERT ON grants
BEGIN
  SELECT RAISE(ABORT, 'a grant begins pending, at version 1')
    WHERE NEW.version IS NOT 1 OR NEW.state IS NOT 'pending';
  SELECT RAISE(ABORT, 'this grant exists')
    WHERE EXISTS (SELECT 1 FROM grants WHERE id = NEW.id);
END""",
    """CREATE TRIGGER grants_change BEFORE UPDATE OF id, version, state, revision, proposed_revision, principal, target, duration, requested_at, lapses_at, due_at, activated_at, expires_at, applied_until, provisioned_at, ended_at, end_cause, public_half, signed_order, receipt, attempts, last_error ON grants
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
END""",
    """CREATE TRIGGER approvals_bind BEFORE INSERT ON approvals
BEGIN
  SELECT RAISE(ABORT, 'the approval is not of a stored revision''s digest')
    WHERE NOT EXISTS (SELECT 1 FROM request_revisions WHERE grant_id = NEW.grant_id AND number = NEW.revision AND digest = NEW.digest);
  SELECT RAISE(ABORT, 'nobody reviews their own request')
    WHERE EXISTS (SELECT 1 FROM request_revisions WHERE grant_id = NEW.grant_id AND number = NEW.revision AND (person IN (NEW.person, NEW.reviewer) OR principal IN (NEW.person, NEW.reviewer)));
  SELECT RAISE(ABORT, 'this reviewer has given a verdict on this revision')
    WHERE EXISTS (SELECT 1 FROM approvals WHERE grant_id = NEW.grant_id AND revision = NEW.revision AND (reviewer = NEW.reviewer OR person = NEW.person));
END""",
    """CREATE TRIGGER request_revisions_once BEFORE INSERT ON request_revisions
BEGIN
  SELECT RAISE(ABORT, 'this revision exists')
    WHERE EXISTS (SELECT 1 FROM request_revisions WHERE grant_id = NEW.grant_id AND number = NEW.number);
END""",
    """CREATE TRIGGER audit_entries_follow BEFORE INSERT ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'an audit entry follows the last one')
    WHERE NEW.position IS NOT (SELECT coalesce(max(position), -1) + 1 FROM audit_entries);
END""",
    """CREATE TRIGGER grants_stay BEFORE DELETE ON grants
BEGIN
  SELECT RAISE(ABORT, 'a grant is never deleted');
END""",
    """CREATE TRIGGER request_revisions_no_update BEFORE UPDATE ON request_revisions
BEGIN
  SELECT RAISE(ABORT, 'a revision is never changed');
END""",
    """CREATE TRIGGER request_revisions_no_delete BEFORE DELETE ON request_revisions
BEGIN
  SELECT RAISE(ABORT, 'a revision is never changed');
END""",
    """CREATE TRIGGER approvals_no_update BEFORE UPDATE ON approvals
BEGIN
  SELECT RAISE(ABORT, 'a verdict is never changed');
END""",
    """CREATE TRIGGER approvals_no_delete BEFORE DELETE ON approvals
BEGIN
  SELECT RAISE(ABORT, 'a verdict is never changed');
END""",
    """CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'an audit entry is never changed');
END""",
    """CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'an audit entry is never changed');
END""",
)
