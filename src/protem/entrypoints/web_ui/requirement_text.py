"""Who must approve, in words, from the form that decisions are shown in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protem.entrypoints.web_ui.page_text import person


def requirement(need: Mapping[str, Any]) -> str:
    """Return ``2 of db-owners or security``, ``stage 2: 1 of anyone, signed``."""
    stage = need.get("stage", 1)
    who = [*need["groups"], *map(person, need.get("people", ()))]
    first = f"stage {stage}: " if stage > 1 else ""
    signed = ", signed" if need.get("signed") else ""
    return f"{first}{need['count']} of {' or '.join(who) or 'anyone'}{signed}"
