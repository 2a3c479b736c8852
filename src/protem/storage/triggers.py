"""What the database refuses by itself on SQLite, whoever asks: triggers as SQL text.

Here: edges, versions, expiry, immutability, the log without gaps. Not here: checks on one row
(``schema``). The text is generated from ``protem.domain.grants.EDGES``; the migrations hold it
frozen, and a test compares the two.

Invariants: every rule is a ``RAISE(ABORT)``, which holds under ``OR REPLACE`` and ``OR IGNORE``.
"""

from __future__ import annotations

from collections.abc import Sequence

from protem.domain.grants import EDGES, TERMINAL, GrantState
from protem.storage.approver_key_tables import approver_key_triggers
from protem.storage.schema import LEASE_COLUMNS, grants


def sqlite_triggers() -> dict[str, str]:
    """Return the text of each trigger by its name."""
    texts = {
        "grants_begin": _trigger("grants_begin", "INSERT ON grants", _BEGIN_RULES),
        "grants_change": _trigger(
            "grants_change", f"UPDATE OF {_versioned_columns()} ON grants", _change_rules()
        ),
        "approvals_bind": _trigger("approvals_bind", "INSERT ON approvals", _APPROVAL_RULES),
        "request_revisions_once": _trigger(
            "request_revisions_once", "INSERT ON request_revisions", _REVISION_RULES
        ),
        "audit_entries_follow": _trigger(
            "audit_entries_follow", "INSERT ON audit_entries", _ENTRY_RULES
        ),
        "grants_stay": _refusal("grants_stay", "DELETE ON grants", "a grant is never deleted"),
    }
    for table, what in (
        ("request_revisions", "a revision"),
        ("approvals", "a verdict"),
        ("audit_entries", "an audit entry"),
        ("request_offers", "an offer"),
        ("request_comments", "a comment"),
    ):
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            texts[name] = _refusal(name, f"{verb} ON {table}", f"{what} is never changed")
    return texts | approver_key_triggers()


def edge_condition() -> str:
    """Return SQL that is true of ``OLD.state`` and ``NEW.state`` on an edge, or within a state."""
    ways = [
        f"WHEN '{before}' THEN {_is('NEW.state', after | {before})}"
        for before, after in EDGES.items()
        if after
    ]
    cases = "\n      ".join(ways)
    return f"CASE OLD.state\n      {cases}\n      ELSE FALSE END"


def _is(column: str, states: frozenset[GrantState]) -> str:
    return "(" + " OR ".join(f"{column} = '{state}'" for state in sorted(states)) + ")"


def _versioned_columns() -> str:
    return ", ".join(column.name for column in grants.c if column.name not in LEASE_COLUMNS)


_BEGIN_RULES = (
    ("NEW.version IS NOT 1 OR NEW.state IS NOT 'pending'", "a grant begins pending, at version 1"),
    ("EXISTS (SELECT 1 FROM grants WHERE id = NEW.id)", "this grant exists"),
)


def _change_rules() -> Sequence[tuple[str, str]]:
    extended = "OLD.state = 'active' AND NEW.state = 'active' AND NEW.expires_at > OLD.expires_at"
    return (
        (_is("OLD.state", TERMINAL), "a grant that is over never changes"),
        ("NEW.version IS NOT OLD.version + 1", "the grant changed; read it again"),
        (f"NOT {edge_condition()}", "the life cycle has no such change of state"),
        (
            (
                "NEW.id IS NOT OLD.id OR NEW.principal IS NOT OLD.principal"
                " OR NEW.target IS NOT OLD.target OR NEW.requested_at IS NOT OLD.requested_at"
            ),
            "whose grant it is, and where, never changes",
        ),
        (
            "OLD.activated_at IS NOT NULL AND NEW.activated_at IS NOT OLD.activated_at",
            "a grant is activated once",
        ),
        (
            (
                "OLD.expires_at IS NOT NULL AND NEW.expires_at IS NOT OLD.expires_at"
                f" AND NOT ({extended})"
            ),
            "expires_at only moves later, and only while active",
        ),
    )


_REVISION_RULES = (
    (
        (
            "EXISTS (SELECT 1 FROM request_revisions"
            " WHERE grant_id = NEW.grant_id AND number = NEW.number)"
        ),
        "this revision exists",
    ),
)
_REVISION = (
    "SELECT 1 FROM request_revisions WHERE grant_id = NEW.grant_id AND number = NEW.revision"
)
_APPROVAL_RULES = (
    (
        f"NOT EXISTS ({_REVISION} AND digest = NEW.digest)",
        "the approval is not of a stored revision's digest",
    ),
    (
        (
            f"EXISTS ({_REVISION} AND (person IN (NEW.person, NEW.reviewer)"
            " OR principal IN (NEW.person, NEW.reviewer)))"
        ),
        "nobody reviews their own request",
    ),
    (
        (
            "EXISTS (SELECT 1 FROM approvals WHERE grant_id = NEW.grant_id"
            " AND revision = NEW.revision AND (reviewer = NEW.reviewer OR person = NEW.person))"
        ),
        "this reviewer has given a verdict on this revision",
    ),
)
_ENTRY_RULES = (
    (
        "NEW.position IS NOT (SELECT coalesce(max(position), -1) + 1 FROM audit_entries)",
        "an audit entry follows the last one",
    ),
)


def _trigger(name: str, event: str, rules: Sequence[tuple[str, str]]) -> str:
    body = "".join(
        f"  SELECT RAISE(ABORT, '{_quoted(message)}')\n    WHERE {condition};\n"
        for condition, message in rules
    )
    return f"CREATE TRIGGER {name} BEFORE {event}\nBEGIN\n{body}END"


def _refusal(name: str, event: str, message: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {event}\nBEGIN\n"
        f"  SELECT RAISE(ABORT, '{_quoted(message)}');\nEND"
    )


def _quoted(text: str) -> str:
    return text.replace("'", "''")
