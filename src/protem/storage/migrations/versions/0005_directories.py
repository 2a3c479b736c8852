"""Users and groups that directories provision, and the manager of an account.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the manager and the agents' index to accounts; make the directories' tables."""
    op.add_column("accounts", sa.Column("manager", sa.Text(), nullable=True))
    op.create_index(
        "accounts_agents",
        "accounts",
        ["acts_for"],
        unique=False,
        sqlite_where=sa.text("acts_for IS NOT NULL"),
        postgresql_where=sa.text("acts_for IS NOT NULL"),
    )
    _make_users()
    _make_groups()


def _make_users() -> None:
    op.create_table(
        "directory_users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("user_name_key", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("name_parts", sa.Text(), nullable=False),
        sa.Column("emails", sa.Text(), nullable=False),
        sa.Column("manager", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("active IN (0, 1)", name=op.f("directory_users_active")),
        sa.CheckConstraint("version >= 1", name=op.f("directory_users_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("directory_users_pk")),
        sa.UniqueConstraint(
            "source", "user_name_key", name=op.f("directory_users_source_user_name_key_uq")
        ),
        sa.UniqueConstraint("principal", name=op.f("directory_users_principal_uq")),
    )
    for name, columns in (
        ("directory_users_of", ["source", "id"]),
        ("directory_users_by_external_id", ["source", "external_id", "id"]),
        ("directory_users_by_manager", ["source", "manager", "id"]),
    ):
        op.create_index(name, "directory_users", columns, unique=False)


def _make_groups() -> None:
    op.create_table(
        "directory_groups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("directory_groups_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("directory_groups_pk")),
        sa.UniqueConstraint("source", "name_key", name=op.f("directory_groups_source_name_key_uq")),
    )
    op.create_index("directory_groups_of", "directory_groups", ["source", "id"], unique=False)
    op.create_table(
        "directory_members",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["directory_groups.id"],
            name=op.f("directory_members_group_id_fk"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["directory_users.id"], name=op.f("directory_members_user_id_fk")
        ),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("directory_members_pk")),
    )
    op.create_index(
        "directory_members_of", "directory_members", ["user_id", "group_id"], unique=False
    )
