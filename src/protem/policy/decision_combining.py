"""How the rules that apply add up to one decision.

Here: forbids over permits, terms that add up, the waiver by ``auto_approve``. Not here: which
rules apply (the engine says) and why others did not (``near_misses``).

Invariants:
- One ``forbid`` denies, as in Cedar; no permit, no permission.
- The terms of all applying permits hold together: another permit never weakens them.
- ``auto_approve`` waives people, never a ceiling or a required reason or ticket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protem.domain.decisions import (
    ApprovalRequirement,
    Decision,
    Outcome,
    PolicyAction,
    Question,
    RuleFinding,
    RuleStatus,
)
from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError
from protem.domain.evidence import WORDS, EvidenceKind
from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalId
from protem.policy.option_hints import ASK_REASON, ASK_TICKET, next_step_for, shorten
from protem.policy.policy_rules import MANAGER, TERM_ACTIONS, Rule

DEFAULT = "default"
"""The rule named where no written rule speaks: denial, and one approval."""


def combine(question: Question, applying: Sequence[Rule], digest: str) -> Decision:
    """Return the decision that ``applying``, the rules that hold for ``question``, make."""
    action = question.action
    permits, forbids = about(action, applying)
    if forbids:
        return denied([forbidden(rule, question) for rule in forbids], digest)
    permits, closed = _open_now(permits, question)
    if grants(closed) and not grants(permits):
        shut = [rule for rule in closed if not rule.terms.additional]
        return denied([_outside(rule, question) for rule in shut], digest)
    if not grants(permits):
        return denied([_default_denial(action)], digest)
    findings = [rule.permitted for rule in permits]
    if action not in TERM_ACTIONS:
        return Decision(outcome=Outcome.ALLOWED, findings=tuple(findings), policy_digest=digest)
    refusals = [finding for rule in permits for finding in _unmet_terms(rule, question)]
    approvals = _approvals(permits, question, refusals)
    evidence: frozenset[EvidenceKind] = frozenset().union(*(one.terms.evidence for one in permits))
    if refusals:
        return replace(denied(refusals, digest), evidence=evidence)
    ceilings = [rule.terms.longest for rule in permits if rule.terms.longest is not None]
    lasting = [one for rule in permits if (one := rule.terms.approval_lasts) is not None]
    asks_nobody = action is PolicyAction.BREAK_GLASS  # the alarm and the review are its price
    waivers, vetoes = ([], []) if asks_nobody else about(PolicyAction.AUTO_APPROVE, applying)
    waived = asks_nobody or (bool(waivers) and not vetoes)
    return Decision(
        outcome=Outcome.ALLOWED if waived else Outcome.NEEDS_APPROVAL,
        findings=(*findings, *(rule.permitted for rule in waivers if waived)),
        approvals=() if waived else approvals,
        longest=min(ceilings, default=None),
        policy_digest=digest,
        approval_lasts=None if waived else min(lasting, default=None),
        evidence=evidence,
    )


def _open_now(permits: Sequence[Rule], question: Question) -> tuple[list[Rule], list[Rule]]:
    """Return the permits that count at this moment, and those outside of their windows."""
    now: list[Rule] = []
    closed: list[Rule] = []
    for rule in permits:
        window = rule.terms.window
        counts = window is None or window.holds(question.starts_at)
        (now if counts else closed).append(rule)
    return now, closed


def _outside(rule: Rule, question: Question) -> RuleFinding:
    window = rule.terms.window
    if window is None:  # pragma: no cover  # only rules with one are ever outside
        return _unmet(rule, "not permitted now", None)
    opens = window.next_opening(question.starts_at).astimezone(window.zone)
    return _unmet(rule, f"permitted {window}; opens {opens:%a %Y-%m-%d %H:%M %Z}", None)


def about(action: PolicyAction, rules: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """Return the permits and the forbids for ``action`` among ``rules``."""
    mine = [rule for rule in rules if action in rule.actions]
    return [rule for rule in mine if rule.permits], [rule for rule in mine if not rule.permits]


def grants(permits: Sequence[Rule]) -> bool:
    """Say whether any of ``permits`` permits by itself, not only in addition to others."""
    return any(not rule.terms.additional for rule in permits)


def denied(findings: Sequence[RuleFinding], digest: str) -> Decision:
    """Return a denial for these reasons."""
    return Decision(outcome=Outcome.DENIED, findings=tuple(findings), policy_digest=digest)


def failed(rule: str, source: str, message: str) -> RuleFinding:
    """Return the finding that something could not be evaluated."""
    return RuleFinding(rule=rule, source=source, status=RuleStatus.FAILED, message=message)


def forbidden(rule: Rule, question: Question) -> RuleFinding:
    """Return the finding that ``rule`` forbids it: in its own words, else by its conditions."""
    said = rule.message
    if not said:
        said = "forbidden" + "".join(
            f"{' unless' if condition.negated else ' when'} {shorten(condition.text)}"
            for condition in rule.conditions
        )
    step = next_step_for(rule.conditions, question)
    return _unsatisfied(rule, said, step)


def _approvals(
    permits: Sequence[Rule], question: Question, refusals: list[RuleFinding]
) -> tuple[ApprovalRequirement, ...]:
    """Return each distinct requirement once; add to ``refusals`` what names no group."""
    needs: dict[ApprovalRequirement, ApprovalRequirement] = {}
    for rule in permits:
        if rule.terms.approvals is None:
            continue
        try:
            need = _requirement(rule, question)
        except InvalidError as error:
            refusals.append(failed(rule.id, rule.source, str(error)))
            continue
        needs.setdefault(replace(need, rule=""), need)
    return tuple(needs.values()) or (ApprovalRequirement(count=1, rule=DEFAULT),)


def _requirement(rule: Rule, question: Question) -> ApprovalRequirement:
    """Return whom a rule asks, with ``$label`` and ``$manager`` looked up.

    Raises:
        InvalidError: when one of them leads to nobody.
    """
    people = _manager_of(rule, question) if MANAGER in rule.terms.approvers else frozenset()
    return ApprovalRequirement(
        count=rule.terms.approvals or 1,
        groups=_approver_groups(rule, question),
        rule=rule.id,
        stage=rule.terms.stage,
        people=people,
        signed=rule.terms.signed,
    )


def _manager_of(rule: Rule, question: Question) -> frozenset[PrincipalId]:
    """Return the requester's manager; nobody where others may fill the place as well."""
    asks = question.principal
    manager = asks.manager
    if manager is not None and manager not in (asks.id, asks.person):
        if rule.terms.approvals == 1 or len(rule.terms.approvers) > 1:
            return frozenset({manager})
        raise InvalidError(f"@approvals asks for {rule.terms.approvals} managers; one has one")
    if len(rule.terms.approvers) > 1:
        return frozenset()
    raise InvalidError(
        f"the manager of {asks.person.subject} must approve, and none is known;"
        " ask whoever keeps accounts to name one"
    )


def _approver_groups(rule: Rule, question: Question) -> frozenset[GroupName]:
    """Return the groups that a rule names, a ``$label`` by the label's value at the target."""
    labels = question.target.labels if question.target is not None else {}
    groups = []
    for name in rule.terms.approvers:
        if name == MANAGER:
            continue
        if not name.startswith("$"):
            groups.append(GroupName(name))
        elif name[1:] in labels:
            groups.append(GroupName(labels[name[1:]]))
        else:
            raise InvalidError(f"@approvers names the label {name}, which the target does not have")
    return frozenset(groups)


def _unmet_terms(rule: Rule, question: Question) -> list[RuleFinding]:
    found = []
    needs = rule.terms.requires
    if "reason" in needs and not question.reason.strip():
        found.append(_unmet(rule, "needs a reason", ASK_REASON))
    if "ticket" in needs and not question.ticket.strip():
        found.append(_unmet(rule, "needs a ticket", ASK_TICKET))
    longest = rule.terms.longest
    if longest is not None and question.duration is not None and question.duration > longest:
        limit = format_duration(longest)
        asked = format_duration(question.duration)
        found.append(_unmet(rule, f"{asked} is over the limit of {limit}", f"--for {limit}"))
    missing = (_missing(kind, question) for kind in sorted(rule.terms.evidence))
    return found + [_unmet(rule, said, None) for said in missing if said]


def _missing(kind: EvidenceKind, question: Question) -> str:
    """Return what is missing of one kind of evidence, "" when it is there or only assumed."""
    if question.exhibits is None:
        return ""
    found = [exhibit for exhibit in question.exhibits if exhibit.kind is kind]
    if not found:
        return f"needs {WORDS[kind]}; ask anew, it is made with the request"
    why = found[0].why_not
    return f"needs {WORDS[kind]}, which could not be had: {why}" if why else ""


def _unmet(rule: Rule, missing: str, step: str | None) -> RuleFinding:
    said = f"{rule.message}: {missing}" if rule.message else missing
    return _unsatisfied(rule, said, step)


def _unsatisfied(rule: Rule, message: str, step: str | None) -> RuleFinding:
    return RuleFinding(
        rule=rule.id,
        source=rule.source,
        status=RuleStatus.UNSATISFIED,
        message=message,
        next_step=step,
    )


def _default_denial(action: PolicyAction) -> RuleFinding:
    return RuleFinding(
        rule=DEFAULT,
        source="",
        status=RuleStatus.UNSATISFIED,
        message=f"no rule permits {action} here; what no rule permits is denied",
    )
