"""Reviews of broken glass as a table.

Not here: fetching them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protem.entrypoints.cli.scope_view import moment_text
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import width
from protem.entrypoints.cli.waiting import person_text


def review_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return one line for each break of the glass."""
    header = ["ID", "WHO", "TARGET", "REVIEW"]
    rows = [
        [
            one.get("id", "?"),
            person_text(one.get("principal")),
            one.get("target", "?"),
            review_text(one),
        ]
        for one in found
    ]
    return columns(header, rows, elastic=len(header) - 1, width=width())


def review_text(one: Mapping[str, Any]) -> str:
    """Return where its review stands."""
    review = one.get("review")
    if isinstance(review, Mapping):
        return str(review.get("verdict", "?")).replace("_", " ")
    due = moment_text(one.get("due_at"))
    whose = "; you may review it" if one.get("yours") is True else ""
    return (f"OVERDUE since {due}" if one.get("overdue") is True else f"due {due}") + whose
