"""What a planner found out about a command: its scope, and what approvers should know.

Here: the planner's answer as values. Not here: how any language is analysed.

Invariants: a plan never guesses: what cannot be seen is a ``Finding``, not silence.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from protem.domain.evidence import Rehearsal
from protem.domain.scopes import Privilege, Scope


class Trait(enum.StrEnum):
    """A fact of a plan that policy can read."""

    WRITES = "writes"
    WHOLE_TABLE = "whole_table"
    VOLATILE_FUNCTION = "volatile_function"
    READS_SERVER_FILES = "reads_server_files"
    REACHES_NETWORK = "reaches_network"
    LOCKS_ROWS = "locks_rows"
    UNSEEN_CODE = "unseen_code"
    """Triggers, SECURITY INVOKER functions or row policies run code whose needs cannot be seen."""
    PROFILE = "profile"
    """No single command: a session under a named scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence that an approver should read, with a stable code."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The scope that lets a command run, and what else is known.

    Attributes:
        scope: sufficient and minimal, including what everyone holds already.
        held_by_everyone: the part of ``scope`` that PUBLIC holds at the target now.
        traits: facts for policy.
        findings: sentences for people.
        statements: what will be executed, one by one, as the planner split it.
        rehearsal: the one statement that can be tried beforehand; None where there is none. Known
            while a request is made, and neither kept nor compared.
    """

    scope: Scope
    held_by_everyone: frozenset[Privilege] = frozenset()
    traits: frozenset[Trait] = frozenset()
    findings: tuple[Finding, ...] = ()
    statements: tuple[str, ...] = ()
    rehearsal: Rehearsal | None = field(default=None, compare=False)
