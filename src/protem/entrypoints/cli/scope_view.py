"""Scopes, decisions and moments in words.

Here: the sentences that plan, request and grant pages share. Not here: whole pages.

Invariants: what comes from elsewhere goes through ``printable``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError
from protem.domain.evidence import WORDS
from protem.domain.instants import parse_instant
from protem.domain.request_wording import CAPABILITIES
from protem.domain.untrusted_text import printable
from protem.system.clock import SystemClock


def scope_rows(scope: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a scope that came over the wire, whatever came."""
    rows = scope if isinstance(scope, list) else []
    return [row for row in rows if isinstance(row, Mapping)]


def decision_text(decision: Mapping[str, Any]) -> str:
    """Return policy's answer in one line."""
    match decision.get("outcome"):
        case "allowed":
            met = " and ".join(map(need_text, needs_of(decision)))
            said = f"allowed with {met}" if met else "allowed at once"
            return " and ".join([said, *_to_show(decision)])
        case "needs_approval":
            return "needs " + " and ".join(
                [*map(need_text, needs_of(decision)), *_to_show(decision)]
            )
        case "denied":
            steps = _steps_that_would_do(decision)
            return f"denied as asked; add {' '.join(steps)}" if steps else "denied"
        case other:
            return printable(other)


def _to_show(decision: Mapping[str, Any]) -> list[str]:
    """Return what the target is asked for when the request is made."""
    found = decision.get("evidence")
    words = {str(kind): said for kind, said in WORDS.items()}
    kinds = map(str, found if isinstance(found, list) else [])
    return [words.get(kind, printable(kind)) for kind in kinds]


def _steps_that_would_do(decision: Mapping[str, Any]) -> list[str]:
    """Return what to add when that is all that is missing, else nothing."""
    findings = [found for found in decision.get("findings") or [] if isinstance(found, Mapping)]
    blocking = [found for found in findings if found.get("status") != "satisfied"]
    if not all(found.get("next_step") for found in blocking):
        return []
    return list(dict.fromkeys(printable(found["next_step"]) for found in blocking))


def needs_of(decision: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the approvals that a decision asks for."""
    found = decision.get("approvals")
    return [need for need in found if isinstance(need, Mapping)] if isinstance(found, list) else []


def finding_lines(decision: Mapping[str, Any]) -> list[str]:
    """Return one line a rule: how it came out, which one, where, and what it says."""
    marks = {"satisfied": "ok", "unsatisfied": "missing", "failed": "failed"}
    lines = []
    for found in decision.get("findings") or []:
        if not isinstance(found, Mapping):
            continue
        status = marks.get(str(found.get("status")), printable(found.get("status")))
        source = printable(found.get("source") or "")
        where = f" ({source})" if source else ""
        line = f"{status}: {printable(found.get('rule', '?'))}{where}"
        if found.get("message"):
            line += f": {printable(found['message'])}"
        if found.get("next_step") and status != "ok":
            line += f"; try {printable(found['next_step'])}"
        lines.append(line)
    return lines


def capability_lines(capabilities: Mapping[str, Any]) -> list[str]:
    """Return what the target enforces by itself, and what it does not."""
    lines = [yes if capabilities.get(key) else no for key, yes, no in CAPABILITIES if capabilities]
    notes = capabilities.get("notes")
    return lines + [printable(note) for note in (notes if isinstance(notes, list | tuple) else [])]


def moment(text: Any) -> datetime | None:
    """Return an instant of the wire, or None when there is none."""
    try:
        return parse_instant(text) if isinstance(text, str) else None
    except InvalidError:
        return None


def time_left(text: Any, now: datetime | None = None) -> timedelta | None:
    """Return how long it is until an instant of the wire; negative when it is past."""
    at = moment(text)
    return None if at is None else at - (now or SystemClock().now())


def moment_text(text: Any, now: datetime | None = None) -> str:
    """Return ``in 27m (14:30:05 UTC)``, ``3m ago (...)``, or a dash."""
    at = moment(text)
    left = time_left(text, now)
    if at is None or left is None:
        return "-"
    coarse = _coarse(abs(left))
    past = left < timedelta(0)
    written = at.strftime(
        "%H:%M:%S UTC" if abs(left) < timedelta(hours=20) else "%Y-%m-%d %H:%M UTC"
    )
    return f"{coarse} ago ({written})" if past else f"in {coarse} ({written})"


def _coarse(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    for unit in (86_400, 3_600, 60):
        if seconds >= unit * 3:
            smaller = {86_400: 3_600, 3_600: 60, 60: 60 if seconds >= 600 else 1}[unit]  # noqa: PLR2004  # ten minutes
            return format_duration(timedelta(seconds=seconds // smaller * smaller))
    return format_duration(timedelta(seconds=seconds))


def need_text(need: Mapping[str, Any]) -> str:
    """Return one requirement: ``2 approvals of db-owners``."""
    asked = [*(need.get("groups") or []), *(need.get("people") or [])]
    names = " or ".join(printable(str(who).removeprefix("local|")) for who in asked)
    count = need.get("count")
    noun = "approval" if count == 1 else "approvals"
    return f"{printable(count)} {noun}" + (f" from {names}" if names else "")
