"""What a workload's claims must say, as the settings write it.

Here: conditions in the shape of the claims that they are about, and whether they hold. Not here:
whether the claims are true (tokens).

Invariants: a claim that is absent, or of another type than its condition, does not hold; nothing
but ``*`` in a text is special, and it stands for any run of characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Condition = str | bool | int | Sequence[str] | Mapping[str, "Condition"]


def hold(conditions: Mapping[str, Condition], claims: Mapping[str, Any]) -> bool:
    """Say whether every condition holds of the claim of its name."""
    return all(_holds(condition, claims.get(name)) for name, condition in conditions.items())


def _holds(condition: Condition, claim: Any) -> bool:
    if isinstance(condition, Mapping):
        return isinstance(claim, Mapping) and hold(condition, claim)
    if isinstance(condition, bool | int):
        return type(claim) is type(condition) and claim == condition
    wanted = [condition] if isinstance(condition, str) else condition
    found = claim if isinstance(claim, list) else [claim]
    return any(
        isinstance(text, str) and _matches(pattern, text) for pattern in wanted for text in found
    )


def _matches(pattern: str, text: str) -> bool:
    """Compare in linear time: each part between stars is found as early as it can be."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    last = rest.pop()
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in rest:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
