"""Policy decided by Cedar.

Here: from a question to the rules that apply, in one call to the engine. Not here: files and
their checks (``policy_folder``), which rules to ask (``rule_slices``), facts (``cedar_question``),
how rules add up (``decision_combining``).

Invariants:
- An error in any rule asked, or in the question, is a denial with a ``failed`` finding.
- No I/O after loading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cedarpy

from protem.domain.decisions import Decision, Outcome, PolicyAction, Question, RuleFinding
from protem.domain.errors import InvalidError
from protem.policy.cedar_question import CedarQuestion, ToldQuestion, cedar_question
from protem.policy.decision_combining import (
    DEFAULT,
    about,
    combine,
    denied,
    failed,
    forbidden,
    grants,
)
from protem.policy.near_misses import near_misses
from protem.policy.option_hints import shorten
from protem.policy.policy_drafts import draft_texts, shown_rules
from protem.policy.policy_folder import PolicyFolder, read_folder, read_texts
from protem.policy.rule_slices import RuleSlices, Slice
from protem.ports.policy import ShownRule

_FAILED = re.compile(r"policy `(\d+)`: (.*)", re.DOTALL)
_MAX_PROBLEMS_SHOWN = 20


class CedarPolicy:
    """Answers questions from a fixed set of policies; safe to share among threads."""

    def __init__(self, folder: PolicyFolder) -> None:
        if folder.problems:
            raise InvalidError(_refusal(folder))
        self._rules = folder.rules
        self._digest = folder.digest
        self._texts = dict(folder.texts)
        self._slices = RuleSlices(folder.rules)

    @classmethod
    def load(cls, folder: Path) -> CedarPolicy:
        """Read and check every ``*.cedar`` file under ``folder``.

        Raises:
            InvalidError: when it cannot be read, or anything in it is wrong; the message names
                file, line and what, one problem a line.
        """
        return cls(read_folder(folder))

    @property
    def digest(self) -> str:
        """``sha256:`` digest of names and contents of the policy files."""
        return self._digest

    def files(self) -> Mapping[str, str]:
        """Return the text of each file by its name."""
        return dict(self._texts)

    def rules(self) -> Sequence[ShownRule]:
        """Return every rule, in the order of the files."""
        return shown_rules(self._rules, self._texts)

    def draft(self, files: Mapping[str, str]) -> CedarPolicy:
        """Return the policy that ``files``, texts by name, make.

        Raises:
            InvalidError: when anything in them is wrong, or there is more of it than a draft holds.
        """
        return CedarPolicy(read_texts(draft_texts(files)))

    def decide(self, question: Question) -> Decision:
        """Return the decision; never raises."""
        return self._answer(question, explain=False)

    def explain(self, question: Question) -> Decision:
        """Return the same decision, with findings on why nothing approved it by itself."""
        return self._answer(question, explain=True)

    def _answer(self, question: Question, *, explain: bool) -> Decision:
        try:
            asked = cedar_question(question)
            chosen = self._slices.of(question.action, asked.principal, asked.resource)
            return self._decide(question, asked, chosen, explain=explain)
        except (InvalidError, ValueError) as error:
            said = f"the question cannot be evaluated: {shorten(str(error))}"
            return denied([failed(DEFAULT, "", said)], self._digest)

    def _decide(
        self, question: Question, asked: CedarQuestion, chosen: Slice, *, explain: bool
    ) -> Decision:
        action = question.action
        told = asked.telling(chosen.facts)
        answer = cedarpy.is_authorized(told.request(action), chosen.policies, told.entities)
        found = answer.diagnostics
        if found.errors:
            return denied([_failure(text, chosen) for text in found.errors], self._digest)
        applying = [chosen.rules[number] for number in sorted(found.reasons, key=int)]
        decision = combine(question, applying, self._digest)
        more: tuple[RuleFinding, ...] = ()
        permits, forbids = about(action, applying)
        if not forbids and not grants(permits):
            more = self._misses(action, asked, told, chosen)
        elif explain and decision.outcome is Outcome.NEEDS_APPROVAL:
            _, vetoes = about(PolicyAction.AUTO_APPROVE, applying)
            more = tuple(forbidden(rule, question) for rule in vetoes)
            more += self._misses(PolicyAction.AUTO_APPROVE, asked, told, chosen)
        return replace(decision, findings=decision.findings + more) if more else decision

    def _misses(
        self, action: PolicyAction, asked: CedarQuestion, told: ToldQuestion, chosen: Slice
    ) -> tuple[RuleFinding, ...]:
        known = chosen.near_misses.get(action)
        if known is None:
            known = near_misses(action, chosen.rules, self._rules, asked)
            chosen.near_misses[action] = known
        return known.findings(action, asked.question, told)


def _failure(text: str, chosen: Slice) -> RuleFinding:
    found = _FAILED.search(text)
    rule = chosen.rules.get(found[1]) if found else None
    if found is None or rule is None:
        return failed(DEFAULT, "", shorten(text))
    return failed(rule.id, rule.source, f"cannot be evaluated: {shorten(found[2])}")


def _refusal(folder: PolicyFolder) -> str:
    shown = [str(problem) for problem in folder.problems[:_MAX_PROBLEMS_SHOWN]]
    left = len(folder.problems) - len(shown)
    if left:
        shown.append(f"and {left} more")
    return "the policies are refused:\n" + "\n".join(shown)
