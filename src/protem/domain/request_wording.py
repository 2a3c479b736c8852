"""The sentences about a request that terminal and pages share.

Here: what a trait means, what a target said as evidence, what it does and does not enforce, why a
grant is over. Not here: how any of it is laid out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from protem.domain.decisions import ApprovalRequirement
from protem.domain.evidence import WORDS, EvidenceKind, Exhibit
from protem.domain.plans import Plan, Trait
from protem.domain.untrusted_text import printable

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")

RISKS = {
    "writes": "WRITES data",
    "whole_table": "reads or writes WHOLE TABLES",
    "volatile_function": "calls functions with side effects",
    "reads_server_files": "READS FILES of the database server",
    "reaches_network": "REACHES THE NETWORK from the database server",
    "locks_rows": "locks rows that others may wait for",
    "unseen_code": "runs code that the planner cannot see into",
    "profile": "is an OPEN SESSION: any statement within the privileges",
}
WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "TRUNCATE", "MERGE"})
"""Actions that change what is stored."""
BROKEN_GLASS = "broken glass: nobody approved it"
MANY_ROWS = 1_000
"""From here on a change that a target foretells is shown as a risk."""

ENFORCEMENT = (
    "The target holds the session to the privileges, not to the statement: until the end, any "
    "statement within them can be run."
)

CAPABILITIES = (
    (
        "scope_is_enforced",
        "holds the session to these privileges",
        "does NOT hold the session to these privileges",
    ),
    (
        "refuses_new_use_at_expiry",
        "refuses new logins at the end by itself",
        "does NOT refuse new logins at the end by itself",
    ),
    (
        "ends_live_use_at_expiry",
        "cuts live sessions at the end by itself",
        "does NOT cut live sessions by itself: the server, or `protem sweep`, does",
    ),
)
"""Capability, what is said where the target has it, what is said where it has not."""

END_CAUSES = {
    "expired": "has expired",
    "revoked": "was revoked",
    "given_back": "was given back",
    "provision_failed": "could not be made at the target",
    "removed_at_target": "was removed at the target",
    "principal_disabled": "ended because the account was disabled",
}


def name_of(path: Sequence[Any]) -> str:
    """Return a dotted name, quoted where SQL would quote it."""
    return ".".join(_quoted(str(part)) for part in path)


def privilege_text(row: Mapping[str, Any]) -> str:
    """Return one row of a scope: ``SELECT on table shop.orders (id, status)``."""
    path = row.get("path")
    names = name_of(path if isinstance(path, list | tuple) else [str(path)])
    text = f"{printable(row.get('action', '?'))} on {printable(row.get('kind', '?'))} {names}"
    parts = row.get("parts")
    if isinstance(parts, list | tuple) and parts:
        text += f" ({', '.join(_quoted(str(part)) for part in parts)})"
    return text


def exhibit_text(exhibit: Exhibit) -> str:
    """Return one line: ``Would touch 3 rows of shop.orders (dry run, rolled back, 13:05:01Z)``."""
    if exhibit.why_not:
        return f"{WORDS[exhibit.kind]} could not be had: {printable(exhibit.why_not)}"
    moment = exhibit.at.strftime("%H:%M:%SZ")
    rows = f"{exhibit.rows} {'row' if exhibit.rows == 1 else 'rows'}"
    if exhibit.kind is EvidenceKind.EXPLAIN:
        return f"EXPLAIN expects {rows}, cost {exhibit.cost or 0} ({moment})"
    changed = ", ".join(map(printable, exhibit.changed))
    what = f"touch {rows} of {changed}" if changed else f"return {rows}"
    return f"Would {what} (dry run, rolled back, {moment})"


def touches_many(exhibit: Exhibit) -> bool:
    """Say whether it foretells a change of so many rows that everybody should notice."""
    return bool(exhibit.changed) and (exhibit.rows or 0) >= MANY_ROWS


def changed_tables(plan: Plan) -> tuple[str, ...]:
    """Return the names of the tables that a command changes, as ``exhibit_text`` shows them."""
    tables = (one for one in plan.scope if one.kind == "table" and one.action in WRITES)
    return tuple(sorted({name_of(one.path) for one in tables})) * (Trait.WRITES in plan.traits)


def describe_need(need: ApprovalRequirement) -> str:
    """Return whom a requirement asks: ``2 of db-owners or dana``."""
    names = [*sorted(need.groups), *sorted(who.subject for who in need.people)]
    return f"{need.count} of {' or '.join(names) or 'anyone who may approve'}"


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return '"' + printable(name.replace('"', '""')) + '"'
