"""Policies that come as texts instead of a folder, and rules as people read them.

Here: the bounds on a draft that somebody sends, and a rule beside its own text. Not here: reading
and checking (``policy_folder``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protem.domain.errors import InvalidError
from protem.policy.policy_folder import SUFFIX
from protem.policy.policy_rules import Rule
from protem.policy.policy_text import split_statements
from protem.ports.policy import ShownRule

MOST_FILES = 100
MOST_CHARACTERS = 262_144
_MOST_NAME = 255


def draft_texts(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return ``files`` as pairs, in the order in which a folder is read.

    Raises:
        InvalidError: when there are too many, they are too long, or a name is none of a policy.
    """
    if not 1 <= len(files) <= MOST_FILES:
        raise InvalidError(f"a draft holds 1 to {MOST_FILES} files")
    if sum(map(len, files.values())) > MOST_CHARACTERS:
        raise InvalidError(f"a draft holds at most {MOST_CHARACTERS:,} characters")
    for name in files:
        if not name.endswith(SUFFIX) or not name.isprintable() or len(name) > _MOST_NAME:
            shown = ascii(name)[:80]
            raise InvalidError(f"{shown} is not the name of a policy file, such as prod{SUFFIX}")
    return sorted(files.items())


def shown_rules(rules: Iterable[Rule], texts: Mapping[str, str]) -> tuple[ShownRule, ...]:
    """Return ``rules`` beside their text."""
    written = {
        f"{name}:{statement.line}": statement.text
        for name, text in texts.items()
        for statement in split_statements(text)
    }
    return tuple(
        ShownRule(
            id=rule.id,
            source=rule.source,
            permits=rule.permits,
            actions=rule.actions,
            message=rule.message,
            terms=rule.terms.describe(),
            text=written.get(rule.source, ""),
        )
        for rule in rules
    )
