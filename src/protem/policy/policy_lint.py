"""Advice on a policy set that loads but may not be what was meant.

Here: checks over the rules alone, without any question. Not here: what makes a set refused
(``policy_folder``); examples (``policy_cases``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protem.domain.decisions import PolicyAction
from protem.policy.cedar_question import GROUP, LABEL
from protem.policy.policy_folder import PolicyFolder, Problem
from protem.policy.policy_rules import MANAGER, TERM_ACTIONS, Rule

PRODUCTION = "env=prod"


def lint(folder: PolicyFolder, production: str = PRODUCTION) -> list[Problem]:
    """Return warnings, in the order of the rules.

    Args:
        folder: read without problems.
        production: the label, ``key=value``, of targets that matter most.
    """
    if not folder.rules:
        return [Problem(source=".", check="empty", message="no rule: everything is denied")]
    warnings: list[Problem] = []
    for rule in folder.rules:
        warnings.extend(_unnamed(rule))
        warnings.extend(_open_production(rule, production))
        warnings.extend(_unreachable_approvers(rule, folder.rules))
        warnings.extend(_glass_by_accident(rule))
    return warnings


def _warning(rule: Rule, check: str, message: str) -> Problem:
    return Problem(source=rule.source, check=check, message=message)


def _unnamed(rule: Rule) -> Iterable[Problem]:
    if not rule.named:
        yield _warning(rule, "missing-id", "the rule has no @id, so findings name only its line")


def _open_production(rule: Rule, production: str) -> Iterable[Problem]:
    """Warn of permits that reach production without a ceiling or without naming approvals."""
    if not rule.permits or rule.terms.additional or not rule.actions & TERM_ACTIONS:
        return
    if not _reaches(rule, production):
        return
    if rule.terms.longest is None:
        message = f"permits access to {production} for any time; add @max_duration"
        yield _warning(rule, "no-ceiling", message)
    if rule.terms.approvals is None and PolicyAction.BREAK_GLASS not in rule.actions:
        message = (
            f"permits access to {production} without @approvals;"
            " one yes of anyone who may approve is then enough"
        )
        yield _warning(rule, "no-approvals", message)


def _glass_by_accident(rule: Rule) -> Iterable[Problem]:
    """Warn of permits that name no action, for they let people break the glass, too."""
    if rule.permits and rule.actions == frozenset(PolicyAction):
        message = (
            "names no action, so it also permits break_glass: access that nobody approves;"
            " name the actions that are meant"
        )
        yield _warning(rule, "glass-by-accident", message)


def _reaches(rule: Rule, production: str) -> bool:
    """Say whether a rule may apply to production; a condition that names the label is trusted."""
    label = f'"{production}"'
    if any(
        label in condition.tokens and _excludes(condition.text, condition.negated)
        for condition in rule.conditions
    ):
        return False
    within = rule.resource.within
    return within is None or within[0] != LABEL or within == (LABEL, production)


def _excludes(text: str, negated: bool) -> bool:  # noqa: FBT001  # a fact of the condition
    return negated or text.startswith("!")


def _unreachable_approvers(rule: Rule, rules: Sequence[Rule]) -> Iterable[Problem]:
    for name in rule.terms.approvers:
        if not any(_lets_approve(other, name) for other in rules):
            yield _warning(
                rule,
                "unreachable-approvers",
                f"asks for approval of {name}, whom no rule permits to approve",
            )


def _lets_approve(rule: Rule, name: str) -> bool:
    """Say whether a rule may let a member of the group approve; conditions are read as words."""
    if not rule.permits or PolicyAction.APPROVE not in rule.actions:
        return False
    named = rule.principal.named
    if named is not None:
        return named == (GROUP, name)
    words = [word for condition in rule.conditions for word in condition.tokens]
    if name == MANAGER:
        return "is_manager" in words or not _names_groups(words)
    if name.startswith("$"):
        return "owner" in words or not _names_groups(words)
    return f'"{name}"' in words or not _names_groups(words)


def _names_groups(words: Sequence[str]) -> bool:
    return "Group" in words or "owner" in words or "is_manager" in words
