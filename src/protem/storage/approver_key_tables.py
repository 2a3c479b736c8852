"""Approvers' keys and the challenges that new ones answer: tables, triggers, statements.

Here: what the database holds true of them. Not here: reading and writing rows
(``approver_key_records``); conventions are those of ``schema``.

Invariants: whose key it is, and its material, never change; no key is ever deleted.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ClauseElement,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from protem.domain.approver_keys import KeyKind
from protem.storage.schema import metadata

_KINDS = "(" + " OR ".join(f"kind = '{kind}'" for kind in sorted(KeyKind)) + ")"
_FIXED = ("id", "owner", "kind", "public_key")

approver_keys = Table(
    "approver_keys",
    metadata,
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("declared", Integer, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint(_KINDS, name="kind"),
    CheckConstraint("declared IN (0, 1) AND sign_count >= 0", name="counts"),
    CheckConstraint("removed_at IS NULL OR removed_at >= added_at", name="removed_at"),
)
Index("approver_keys_of", approver_keys.c.owner, approver_keys.c.added_at, approver_keys.c.id)

key_challenges = Table(
    "key_challenges",
    metadata,
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("owner", "kind"),
    CheckConstraint(_KINDS, name="kind"),
)


def approver_key_triggers() -> dict[str, str]:
    """Return the text of each trigger by its name."""
    moved = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _FIXED)
    return {
        "approver_keys_stay": (
            "CREATE TRIGGER approver_keys_stay BEFORE DELETE ON approver_keys\nBEGIN\n"
            "  SELECT RAISE(ABORT, 'a key is never deleted');\nEND"
        ),
        "approver_keys_change": (
            "CREATE TRIGGER approver_keys_change BEFORE UPDATE ON approver_keys\nBEGIN\n"
            "  SELECT RAISE(ABORT, 'whose key it is, and its material, never change')\n"
            f"    WHERE {moved};\nEND"
        ),
        "approver_keys_once": (
            "CREATE TRIGGER approver_keys_once BEFORE INSERT ON approver_keys\nBEGIN\n"
            "  SELECT RAISE(ABORT, 'this key is known already')\n"
            "    WHERE EXISTS (SELECT 1 FROM approver_keys WHERE id = NEW.id);\nEND"
        ),
    }


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


KEY_GET = _compiled(select(*approver_keys.c).where(approver_keys.c.id == bindparam("id")))
KEY_ADD = _compiled(insert(approver_keys))
KEY_CHANGE = _compiled(
    update(approver_keys)
    .where(
        approver_keys.c.id == bindparam("key_id"),
        approver_keys.c.owner == bindparam("key_owner"),
        approver_keys.c.public_key == bindparam("key_text"),
    )
    .values({c.name: bindparam(c.name) for c in approver_keys.c if c.name not in _FIXED})
)
KEYS_OF = _compiled(
    select(*approver_keys.c)
    .where(approver_keys.c.owner == bindparam("owner"))
    .order_by(approver_keys.c.added_at, approver_keys.c.id)
)
KEYS_DECLARED = _compiled(
    select(*approver_keys.c)
    .where(approver_keys.c.declared == literal_column("1"))
    .order_by(approver_keys.c.id)
)
_challenge = sqlite.insert(key_challenges)
CHALLENGE_PUT = _compiled(
    _challenge.on_conflict_do_update(
        index_elements=["owner", "kind"],
        set_={"text": _challenge.excluded.text, "expires_at": _challenge.excluded.expires_at},
    )
)
_of_one = (key_challenges.c.owner == bindparam("owner"), key_challenges.c.kind == bindparam("kind"))
CHALLENGE_GET = _compiled(select(*key_challenges.c).where(*_of_one))
CHALLENGE_DROP = _compiled(delete(key_challenges).where(*_of_one))
