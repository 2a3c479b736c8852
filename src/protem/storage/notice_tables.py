"""The table of notices on their way out. Conventions are those of ``schema``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from protem.domain.deliveries import DeliveryState
from protem.storage.schema import metadata

notice_deliveries = Table(
    "notice_deliveries",
    metadata,
    Column("notice", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger),
    Column("last_error", Text, nullable=False),
    PrimaryKeyConstraint("notice", "channel"),
    CheckConstraint(
        "(" + " OR ".join(f"state = '{state}'" for state in sorted(DeliveryState)) + ")",
        name="state",
    ),
    CheckConstraint("(due_at IS NULL) = (state <> 'waiting')", name="due_at"),
    CheckConstraint("attempts >= 0", name="attempts"),
)
_waiting = notice_deliveries.c.due_at.is_not(None)
Index(
    "notice_deliveries_due",
    notice_deliveries.c.channel,
    notice_deliveries.c.due_at,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index("notice_deliveries_by_state", notice_deliveries.c.state, notice_deliveries.c.at)
