"""The table of messages in chats that ask for an answer. Conventions are those of ``schema``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from protem.storage.schema import metadata

posted_messages = Table(
    "posted_messages",
    metadata,
    Column("notice", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("look_at", BigInteger),
    PrimaryKeyConstraint("notice", "channel"),
)
_open = posted_messages.c.look_at.is_not(None)
Index(
    "posted_messages_open",
    posted_messages.c.channel,
    posted_messages.c.look_at,
    sqlite_where=_open,
    postgresql_where=_open,
)
