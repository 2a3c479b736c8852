"""What changes between two decisions on one question.

Here: the kinds of change, and which rules make the difference. Not here: asking anything.

Invariants: only what the requester meets counts: outcome, approvals, ceiling and other terms, never
the wording of a finding or the line that a rule stands in.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import replace

from protem.domain.decisions import Decision, Outcome, RuleFinding

MOST_RULES = 8
"""Findings named for one change; a denial may have many near misses."""


class ChangeKind(enum.StrEnum):
    """What a change of policy does to one request; several may hold."""

    NEWLY_ALLOWED = "newly_allowed"
    NEWLY_DENIED = "newly_denied"
    APPROVALS = "approvals_changed"
    CEILING = "ceiling_changed"
    TERMS = "terms_changed"


class Side(enum.StrEnum):
    """Of which policy a rule is."""

    OLD = "old"
    NEW = "new"


def differences(old: Decision, new: Decision) -> tuple[ChangeKind, ...]:
    """Return what changes for the requester; two denials are the same, whatever their reasons."""
    return tuple(_differences(old, new))


def rules_that_differ(old: Decision, new: Decision) -> tuple[tuple[Side, RuleFinding], ...]:
    """Return the findings of one side alone; a rule that only moved within its file is the same."""
    here, there = ({_said(found) for found in side.findings} for side in (old, new))
    found = [(Side.NEW, each) for each in new.findings if _said(each) not in here]
    found += [(Side.OLD, each) for each in old.findings if _said(each) not in there]
    return tuple((found or [(Side.NEW, each) for each in new.findings])[:MOST_RULES])


def _differences(old: Decision, new: Decision) -> Iterator[ChangeKind]:
    was_denied, is_denied = old.outcome is Outcome.DENIED, new.outcome is Outcome.DENIED
    if was_denied or is_denied:
        if was_denied != is_denied:
            yield ChangeKind.NEWLY_ALLOWED if was_denied else ChangeKind.NEWLY_DENIED
        return
    if old.outcome is not new.outcome or not _asks_the_same(old, new):
        yield ChangeKind.APPROVALS
    if old.longest != new.longest:
        yield ChangeKind.CEILING
    if _other_terms(old) != _other_terms(new):
        yield ChangeKind.TERMS


def _asks_the_same(old: Decision, new: Decision) -> bool:
    """Say whether the same people must approve, whichever rule says so and in whatever order."""
    left = [replace(need, rule="") for need in old.approvals]
    for need in (replace(need, rule="") for need in new.approvals):
        if need not in left:
            return False
        left.remove(need)
    return not left


def _other_terms(decision: Decision) -> Decision:
    """Return what a decision says beyond outcome, approvals and ceiling."""
    return replace(
        decision,
        outcome=Outcome.ALLOWED,
        findings=(),
        approvals=(),
        longest=None,
        policy_digest="",
    )


def _said(found: RuleFinding) -> tuple[str, str, str]:
    return found.rule, found.status, found.message
