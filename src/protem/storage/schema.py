"""The tables, as SQLAlchemy Core says them: portable types, keys, checks and indexes.

Here: what every database must hold true without triggers. Not here: triggers (``triggers``), the
order in which tables came about (``migrations``), statements.

Conventions:
- Identifiers are text; a principal is ``issuer|subject``.
- Moments and lengths are integers of microseconds; moments count from 1970 UTC.
- JSON is text, and read by this package alone.
- A lease is not part of a grant's version: its columns change without one.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from protem.domain.approvals import Verdict
from protem.domain.durations import LONGEST
from protem.domain.grants import LIVE, TERMINAL, GrantState
from protem.domain.principals import PrincipalKind

_LONGEST = LONGEST // timedelta(microseconds=1)
_COUNTING = BigInteger().with_variant(Integer(), "sqlite")
"""On SQLite only ``INTEGER PRIMARY KEY`` is the row's own number."""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
    }
)


def _among(
    column: str, values: frozenset[GrantState] | type[GrantState | Verdict | PrincipalKind]
) -> str:
    """Spelt as alternatives: SQLite builds a table for each longer ``IN``, each time."""
    return "(" + " OR ".join(f"{column} = '{value}'" for value in sorted(values)) + ")"


_TERMINAL = _among("state", TERMINAL)
_ACTIVATED = _among("state", LIVE | {GrantState.ENDED})

grants = Table(
    "grants",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("proposed_revision", Integer),
    Column("principal", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("duration", BigInteger, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("lapses_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("activated_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("applied_until", BigInteger),
    Column("provisioned_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("end_cause", Text),
    Column("public_half", Text),
    Column("signed_order", Text),
    Column("receipt", Text),
    Column("unsettled_until", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    PrimaryKeyConstraint("id"),
    CheckConstraint(_among("state", GrantState), name="state"),
    CheckConstraint("version >= 1 AND revision >= 1 AND attempts >= 0", name="counts"),
    CheckConstraint(f"duration BETWEEN 1 AND {_LONGEST}", name="duration"),
    CheckConstraint(f"(due_at IS NULL) = {_TERMINAL}", name="due_at"),
    CheckConstraint(f"(ended_at IS NOT NULL) = {_TERMINAL}", name="ended_at"),
    CheckConstraint(f"(activated_at IS NOT NULL) = {_ACTIVATED}", name="activated_at"),
    CheckConstraint(f"(expires_at IS NOT NULL) = {_ACTIVATED}", name="expires_at"),
    CheckConstraint(
        f"expires_at IS NULL OR expires_at - activated_at BETWEEN 1 AND {_LONGEST}", name="length"
    ),
    CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name="lease"),
)
LEASE_COLUMNS = frozenset({"lease_owner", "lease_until"})

_open = grants.c.due_at.is_not(None)
Index("grants_due", grants.c.due_at, grants.c.id, sqlite_where=_open, postgresql_where=_open)
Index("grants_open", grants.c.id, sqlite_where=_open, postgresql_where=_open)
Index("grants_open_at", grants.c.target, grants.c.id, sqlite_where=_open, postgresql_where=_open)
Index("grants_of", grants.c.principal, grants.c.id)
_leased = grants.c.lease_until.is_not(None)
Index("grants_leased", grants.c.lease_until, sqlite_where=_leased, postgresql_where=_leased)

request_revisions = Table(
    "request_revisions",
    metadata,
    Column("grant_id", Text, ForeignKey("grants.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("plan_notes", Text, nullable=False),
    PrimaryKeyConstraint("grant_id", "number"),
    CheckConstraint("number >= 1", name="number"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("grant_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("signature", Text),
    PrimaryKeyConstraint("grant_id", "revision", "reviewer"),
    UniqueConstraint("grant_id", "revision", "person"),
    ForeignKeyConstraint(
        ["grant_id", "revision"], ["request_revisions.grant_id", "request_revisions.number"]
    ),
    CheckConstraint(_among("verdict", Verdict), name="verdict"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("position", _COUNTING, nullable=False, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("position"),
    CheckConstraint("position >= 0", name="position"),
)

clock_marks = Table(
    "clock_marks",
    metadata,
    Column("boot", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("since_boot", BigInteger, nullable=False),
    PrimaryKeyConstraint("boot"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("display", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("acts_for", Text),
    Column("disabled", Integer, nullable=False),
    Column("manager", Text),
    PrimaryKeyConstraint("id"),
    CheckConstraint(_among("kind", PrincipalKind), name="kind"),
    CheckConstraint("disabled IN (0, 1)", name="disabled"),
)
_acts = accounts.c.acts_for.is_not(None)
Index("accounts_agents", accounts.c.acts_for, sqlite_where=_acts, postgresql_where=_acts)

account_groups = Table(
    "account_groups",
    metadata,
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    PrimaryKeyConstraint("account", "name"),
)
Index("account_groups_members", account_groups.c.name, account_groups.c.account)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", LargeBinary, nullable=False),
    Column("owner", Text, ForeignKey("accounts.id"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("single_use", Integer, nullable=False),
    PrimaryKeyConstraint("hash"),
    CheckConstraint("single_use IN (0, 1)", name="single_use"),
)
Index("tokens_of", tokens.c.owner)

remembered_answers = Table(
    "remembered_answers",
    metadata,
    Column("principal", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("principal", "key"),
)
Index("remembered_answers_by_age", remembered_answers.c.at)
