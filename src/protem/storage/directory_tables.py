"""The tables of directories: their users, groups and memberships.

Here: keys and uniqueness. Not here: what this does to accounts (services).

Conventions are those of ``schema``. A profile's name in parts and its addresses are JSON, which no
statement looks into; names are stored beside the form in which they are compared.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from protem.storage.schema import metadata

directory_users = Table(
    "directory_users",
    metadata,
    Column("id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("user_name_key", Text, nullable=False),
    Column("external_id", Text),
    Column("principal", Text, nullable=False),
    Column("active", Integer, nullable=False),
    Column("display_name", Text),
    Column("name_parts", Text, nullable=False),
    Column("emails", Text, nullable=False),
    Column("manager", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("source", "user_name_key"),
    UniqueConstraint("principal"),
    CheckConstraint("active IN (0, 1)", name="active"),
    CheckConstraint("version >= 1", name="version"),
)
Index("directory_users_of", directory_users.c.source, directory_users.c.id)
Index(
    "directory_users_by_external_id",
    directory_users.c.source,
    directory_users.c.external_id,
    directory_users.c.id,
)
Index(
    "directory_users_by_manager",
    directory_users.c.source,
    directory_users.c.manager,
    directory_users.c.id,
)

directory_groups = Table(
    "directory_groups",
    metadata,
    Column("id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("external_id", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("source", "name_key"),
    CheckConstraint("version >= 1", name="version"),
)
Index("directory_groups_of", directory_groups.c.source, directory_groups.c.id)

directory_members = Table(
    "directory_members",
    metadata,
    Column("group_id", Text, ForeignKey("directory_groups.id"), nullable=False),
    Column("user_id", Text, ForeignKey("directory_users.id"), nullable=False),
    PrimaryKeyConstraint("group_id", "user_id"),
)
Index("directory_members_of", directory_members.c.user_id, directory_members.c.group_id)
