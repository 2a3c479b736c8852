"""Example requests and what policy must answer to them.

Here: the ``*.tests.toml`` files beside the policies, as questions and expectations, and their
comparison with decisions. Not here: printing.

Invariants: a file with an unknown key, a case without a name or a name used twice is refused; a
misspelt expectation must not pass.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from protem.domain.decisions import (
    ApprovalRequirement,
    Decision,
    Outcome,
    PolicyAction,
    Question,
    RuleStatus,
    Signing,
)
from protem.domain.durations import format_duration, parse_duration
from protem.domain.errors import InvalidError
from protem.domain.evidence import EvidenceKind
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.instants import check_instant
from protem.domain.plans import Trait
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.scopes import Privilege, Scope
from protem.domain.targets import Target
from protem.ports.policy import Policy

SUFFIX = ".tests.toml"
MONDAY_MORNING = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


class Asked(BaseModel):
    """The facts of one request; every key may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: PolicyAction = PolicyAction.REQUEST
    principal: str = "local|someone"
    kind: PrincipalKind = PrincipalKind.PERSON
    acts_for: str | None = None
    manager: str | None = None
    oncall_age: str | None = None
    groups: tuple[str, ...] = ()
    target: str = "orders-db"
    scheme: str = "postgresql"
    labels: dict[str, str] = {}
    tables: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ("SELECT",)
    tags: frozenset[str] = frozenset()
    traits: frozenset[Trait] = frozenset()
    program: str = "psql"
    profile: str | None = None
    duration: str = "15m"
    reason: str = ""
    ticket: str = ""
    at: datetime = MONDAY_MORNING
    requester: str = "local|requester"
    requester_groups: tuple[str, ...] = ()
    requester_manager: str | None = None
    evidence: bool = True

    def question(self) -> Question:
        """Return the question that these facts make.

        Raises:
            InvalidError: when one of them is not well formed.
        """
        target = TargetName(self.target)
        return Question(
            action=self.action,
            principal=replace(
                _principal(self.principal, self.groups, self.kind, self.acts_for),
                manager=_optional_id(self.manager),
                oncall_as_of=None
                if self.oncall_age is None
                else check_instant(self.at) - parse_duration(self.oncall_age),
            ),
            at=check_instant(self.at),
            target=Target(name=target, scheme=self.scheme, labels=self.labels),
            scope=_scope(self.tables, self.privileges),
            traits=self.traits,
            tags=self.tags,
            program=self.program,
            profile=self.profile,
            duration=parse_duration(self.duration),
            reason=self.reason,
            ticket=self.ticket,
            requester=replace(
                _principal(self.requester, self.requester_groups),
                manager=_optional_id(self.requester_manager),
            ),
            exhibits=None if self.evidence else (),
        )


class Expected(BaseModel):
    """What the decision must say; what is left out is not compared, but for ``approvals``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Outcome
    approvals: tuple[str, ...] = ()
    longest: str | None = None
    rules: tuple[str, ...] = ()
    next_step: str | None = None
    evidence: tuple[EvidenceKind, ...] | None = None


class _Case(Asked):
    name: str
    expect: Expected


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    defaults: dict[str, Any] = {}
    case: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCase:
    """One example request."""

    name: str
    source: str
    question: Question
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """How one case came out.

    Attributes:
        differences: triples of what was compared, what was expected and what was decided.
    """

    case: PolicyCase
    decision: Decision
    differences: tuple[tuple[str, str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def read_cases(folder: Path) -> list[PolicyCase]:
    """Read every ``*.tests.toml`` under ``folder``.

    Raises:
        InvalidError: when the folder or a file cannot be read, or says something unknown.
    """
    return [_read_case(name, source, facts) for name, source, facts in _raw_cases(folder)]


def read_case_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the facts of every case by its name, without what is expected.

    Raises:
        InvalidError: as ``read_cases``.
    """
    return {
        name: {key: fact for key, fact in facts.items() if key not in ("name", "expect")}
        for name, _, facts in _raw_cases(folder)
    }


def question_of_facts(facts: Mapping[str, Any]) -> Question:
    """Return the question that ``facts``, in the words of an example request, make.

    Raises:
        InvalidError: for an unknown or malformed fact.
    """
    try:
        return Asked.model_validate(facts).question()
    except ValidationError as error:
        raise InvalidError(_first_problem(error)) from error


def run_cases(policy: Policy, cases: Sequence[PolicyCase]) -> list[CaseResult]:
    """Ask ``policy`` every question and compare."""
    results = []
    for case in cases:
        decision = policy.decide(case.question)
        differences = tuple(_differences(case.expected, decision))
        results.append(CaseResult(case=case, decision=decision, differences=differences))
    return results


def describe_approval(need: ApprovalRequirement) -> str:
    """Write a requirement as cases do: ``2 of db-owners``, ``stage 2: 1 of anyone, signed``."""
    first = f"stage {need.stage}: " if need.stage > 1 else ""
    who = [*sorted(need.groups), *sorted(map(str, need.people))]
    how = {None: "", Signing.REQUIRED: ", signed", Signing.USER_VERIFIED: ", signed user_verified"}
    return f"{first}{need.count} of {' or '.join(who) or 'anyone'}{how[need.signed]}"


def _raw_cases(folder: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Return name, source and facts of every case, defaults filled in; names are unique."""
    if not folder.is_dir():
        raise InvalidError(f"there is no policy folder {folder}")
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        source = path.relative_to(folder).as_posix()
        file = _read_file(path, source)
        for given in file.case:
            name = given.get("name")
            if not isinstance(name, str) or not name or name in found:
                raise InvalidError(f"{source}: every case has a name of its own, not {name!r}")
            found[name] = (name, source, {**file.defaults, **given})
    return list(found.values())


def _read_file(path: Path, source: str) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidError(f"{source}: cannot be read: {error}") from error
    except ValidationError as error:
        raise InvalidError(f"{source}: {_first_problem(error)}") from error


def _read_case(name: str, source: str, facts: Mapping[str, Any]) -> PolicyCase:
    try:
        case = _Case.model_validate(facts)
        return PolicyCase(name=name, source=source, question=case.question(), expected=case.expect)
    except ValidationError as error:
        raise InvalidError(f"{source}: case {name!r}: {_first_problem(error)}") from error
    except InvalidError as error:
        raise InvalidError(f"{source}: case {name!r}: {error}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _principal(
    text: str,
    groups: Sequence[str],
    kind: PrincipalKind = PrincipalKind.PERSON,
    acts_for: str | None = None,
) -> Principal:
    return Principal(
        id=PrincipalId.parse(text),
        display=text,
        kind=kind,
        groups=frozenset(map(GroupName, groups)),
        acts_for=_optional_id(acts_for),
    )


def _optional_id(text: str | None) -> PrincipalId | None:
    return None if text is None else PrincipalId.parse(text)


def _scope(tables: Sequence[str], privileges: Sequence[str]) -> Scope:
    return Scope(
        Privilege(kind="table", path=tuple(table.split(".")), action=action)
        for table in tables
        for action in privileges
    )


def _differences(expected: Expected, decision: Decision) -> list[tuple[str, str, str]]:
    said = {finding.rule for finding in decision.findings if _decides(decision, finding.status)}
    approvals = sorted(map(describe_approval, decision.approvals))
    steps = {finding.next_step for finding in decision.findings if finding.next_step}
    pairs = [
        ("outcome", str(expected.outcome), str(decision.outcome)),
        ("approvals", ", ".join(sorted(expected.approvals)), ", ".join(approvals)),
    ]
    if expected.longest is not None:
        pairs.append(("longest", expected.longest, _length(decision.longest)))
    if expected.evidence is not None:
        wanted, asked = (", ".join(sorted(each)) for each in (expected.evidence, decision.evidence))
        pairs.append(("evidence", wanted, asked))
    missing = set(expected.rules) - said
    if missing:
        pairs.append(("rules", ", ".join(sorted(missing)), ", ".join(sorted(said))))
    if expected.next_step is not None and expected.next_step not in steps:
        pairs.append(("next_step", expected.next_step, ", ".join(sorted(steps))))
    return [pair for pair in pairs if pair[1] != pair[2]]


def _decides(decision: Decision, status: RuleStatus) -> bool:
    """Say whether a finding of this status took part: permits in a yes, the rest in a no."""
    return (decision.outcome is Outcome.DENIED) != (status is RuleStatus.SATISFIED)


def _length(longest: timedelta | None) -> str:
    return "none" if longest is None else format_duration(longest)
