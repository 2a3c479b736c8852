"""What to type so that a condition would hold.

Here: from the words of a condition to options of the command line. Not here: whether it holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from protem.domain.decisions import Question
from protem.domain.durations import format_duration, parse_duration
from protem.domain.errors import InvalidError
from protem.policy.policy_text import Condition

MAX_TEXT = 300
ASK_TICKET = "--ticket ID"
ASK_REASON = "--why TEXT"
_CEILING = re.compile(r'context \. duration (?:<=|>) duration \( "([^"]+)" \)')


def next_step_for(conditions: Sequence[Condition], question: Question) -> str | None:
    """Return the options that would meet ``conditions``, as far as they speak of options."""
    steps: list[str] = []
    for condition in conditions:
        words = " ".join(condition.tokens)
        if _speaks_of("ticket", words) and not question.ticket.strip():
            steps.append(ASK_TICKET)
        if _speaks_of("reason", words) and not question.reason.strip():
            steps.append(ASK_REASON)
        for text in _CEILING.findall(words):
            step = _shorter(text, question)
            steps.extend([step] if step else [])
    return " ".join(dict.fromkeys(steps)) or None


def _speaks_of(fact: str, words: str) -> bool:
    return f"context has {fact}" in words or f"context . {fact}" in words


def _shorter(text: str, question: Question) -> str | None:
    try:
        limit = parse_duration(text)
    except InvalidError:
        return None
    if question.duration is None or question.duration <= limit:
        return None
    return f"--for {format_duration(limit)}"


def shorten(text: str) -> str:
    """Return at most ``MAX_TEXT`` characters of ``text``."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
