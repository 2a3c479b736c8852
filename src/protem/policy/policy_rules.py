"""One policy as Protem reads it: whom and what its head names, and what its annotations ask.

Here: rules, heads and terms, and their reading from one parsed statement. Not here: files
(``policy_folder``) and evaluation (``cedar_policy``).

Invariants:
- An annotation that is unknown or out of place is refused: a misspelt ``@approvals`` must not
  weaken a rule in silence.
- ``Head.matches`` is true wherever Cedar's own scope would match; the engine decides again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cedarpy

from protem.domain.decisions import PolicyAction, RuleFinding, RuleStatus, Signing
from protem.domain.durations import format_duration, parse_duration
from protem.domain.errors import InvalidError
from protem.domain.evidence import WORDS, EvidenceKind
from protem.domain.identifiers import GroupName
from protem.domain.weekly_windows import WeeklyWindow
from protem.policy.policy_text import Condition

MAX_APPROVALS = 20
ALWAYS_KNOWN = frozenset({"id", "message"})
TERM_NAMES = frozenset(
    {
        "additional",
        "approval_lasts",
        "approvals",
        "approvers",
        "evidence",
        "max_duration",
        "requires",
        "signed",
        "stage",
        "window",
    }
)
WITH_APPROVALS = ("approvers", "stage", "approval_lasts", "signed")
TERM_ACTIONS = frozenset({PolicyAction.REQUEST, PolicyAction.EXTEND, PolicyAction.BREAK_GLASS})
ABOUT_PEOPLE = frozenset({"approvals", *WITH_APPROVALS, "evidence"})
"""Terms that ask people, or the target for them; break-glass asks nobody."""
REQUIRABLE = frozenset({"reason", "ticket"})
MAX_MESSAGE = 500
MAX_STAGE = 9
MANAGER = "$manager"
"""Among approvers: the requester's manager, a person and not a group."""
_SIGNING_WORDS = {
    Signing.REQUIRED: "signed with a key of their own",
    Signing.USER_VERIFIED: "signed with a key that asked for PIN or biometry",
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LABEL_REFERENCE = re.compile(r"\$[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")

Uid = tuple[str, str]
"""An entity's type and id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFacts:
    """An entity and everything that it is ``in``, itself included."""

    uid: Uid
    inside: frozenset[Uid]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a policy's scope asks of principal or resource; all None asks nothing."""

    equals: Uid | None = None
    within: Uid | None = None
    of_type: str | None = None

    def matches(self, facts: EntityFacts) -> bool:
        """Say whether an entity may pass this part of the scope."""
        return (
            (self.equals is None or self.equals == facts.uid)
            and (self.within is None or self.within in facts.inside)
            and (self.of_type is None or self.of_type == facts.uid[0])
        )

    @property
    def named(self) -> Uid | None:
        """The entity that the head names, if any."""
        return self.equals or self.within


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a permit for ``request``, ``extend`` or ``break_glass`` asks before it counts.

    Attributes:
        approvals: how many people, or None when this permit says nothing about approval.
        approvers: group names, ``$label`` for the group that a label of the target names, or
            ``$manager`` for the requester's manager.
        stage: when these approvals are asked: once all of earlier stages are there.
        approval_lasts: how long each of them counts after it was given.
        window: when this permit counts, by a calendar of some place.
        longest: ceiling on the duration.
        requires: of ``reason`` and ``ticket``.
        signed: how the approvals must be signed, if at all.
        evidence: what the target must have said of the statement.
        additional: the terms hold on top of other permits; this one permits nothing by itself.
    """

    approvals: int | None = None
    approvers: tuple[str, ...] = ()
    stage: int = 1
    approval_lasts: timedelta | None = None
    window: WeeklyWindow | None = None
    longest: timedelta | None = None
    requires: frozenset[str] = frozenset()
    signed: Signing | None = None
    evidence: frozenset[EvidenceKind] = frozenset()
    additional: bool = False

    def describe(self) -> str:
        """Say the terms in words; empty when there are none."""
        parts = []
        if self.approvals is not None:
            first = f"stage {self.stage}: " if self.stage > 1 else ""
            how = "" if self.signed is None else f", {_SIGNING_WORDS[self.signed]}"
            who = " or ".join(self.approvers) or "anyone"
            parts.append(f"{first}{self.approvals} of {who} approve{how}")
        if self.approval_lasts is not None:
            parts.append(f"each approval lasts {format_duration(self.approval_lasts)}")
        if self.window is not None:
            parts.append(f"in {self.window}")
        if self.longest is not None:
            parts.append(f"at most {format_duration(self.longest)}")
        if self.requires:
            parts.append(f"needs {' and '.join(sorted(self.requires))}")
        if self.evidence:
            parts.append(f"needs {' and '.join(WORDS[kind] for kind in sorted(self.evidence))}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy.

    Attributes:
        id: its ``@id``, or ``file:line``.
        source: ``file:line``, relative to the policy folder.
        permits: false for a ``forbid``.
        tree: the engine's own JSON form of it.
        message: its ``@message``, words for people.
        permitted: the finding that it permits something.
    """

    id: str
    source: str
    permits: bool
    actions: frozenset[PolicyAction]
    principal: Head
    resource: Head
    terms: Terms
    message: str
    named: bool
    conditions: tuple[Condition, ...]
    tree: Mapping[str, Any]
    permitted: RuleFinding


def read_rule(tree: Mapping[str, Any], *, source: str, conditions: tuple[Condition, ...]) -> Rule:
    """Return the rule that one parsed policy states.

    Args:
        tree: Cedar's JSON policy format, one static policy.
        source: ``file:line`` where it begins.
        conditions: what its text says after the scope.

    Raises:
        InvalidError: for an annotation that is unknown, out of place or malformed.
    """
    annotations = {name: text or "" for name, text in tree.get("annotations", {}).items()}
    permits = tree["effect"] == "permit"
    actions = _actions(tree["action"])
    _check_annotations(annotations, permits=permits, actions=actions)
    if any(condition.names_action for condition in conditions):
        raise InvalidError("a condition cannot name the action; name it in the policy's scope")
    rule_id = _rule_id(annotations, source)
    terms = _terms(annotations)
    message = _message(annotations)
    return Rule(
        id=rule_id,
        source=source,
        permits=permits,
        actions=actions,
        principal=_head(tree["principal"]),
        resource=_head(tree["resource"]),
        terms=terms,
        message=message,
        named="id" in annotations,
        conditions=conditions,
        tree=tree,
        permitted=RuleFinding(
            rule=rule_id,
            source=source,
            status=RuleStatus.SATISFIED,
            message="; ".join(
                filter(
                    None,
                    (
                        message or ("adds to it" if terms.additional else "permits it"),
                        terms.describe(),
                    ),
                )
            ),
        ),
    )


def policy_set(trees: Mapping[str, object]) -> cedarpy.PolicySet:
    """Return the engine's handle on policies given in its JSON form by id."""
    return cedarpy.PolicySet.from_json_str(
        json.dumps({"staticPolicies": trees, "templates": {}, "templateLinks": []})
    )


def facts_mentioned(trees: Iterable[Mapping[str, Any]]) -> frozenset[str] | None:
    """Return every name that could be an attribute in ``trees``.

    None when a tree uses the whole context as a value, so that any attribute may matter. Every
    string of a tree counts, whatever it is for: too many facts cost time, one too few a decision.
    """
    names: set[str] = set()
    left: list[Any] = [condition for tree in trees for condition in tree.get("conditions", ())]
    while left:
        match left.pop():
            case str(text):
                names.add(text)
            case {"Var": "context"}:
                return None
            case {".": access} | {"has": access}:
                left += _operands(access)
            case Mapping() as tree:
                left += [*tree, *tree.values()]
            case list(items):
                left += items
            case _:
                pass
    return frozenset(names)


def _operands(access: Mapping[str, Any]) -> list[Any]:
    """Return what an attribute access holds, but for a plain ``context`` on its left."""
    return [
        operand
        for name, operand in access.items()
        if not (name == "left" and operand == {"Var": "context"})
    ]


def _uid(entity: Mapping[str, Any]) -> Uid:
    return (entity["type"], entity["id"])


def _head(tree: Mapping[str, Any]) -> Head:
    match tree:
        case {"op": "==", "entity": entity}:
            return Head(equals=_uid(entity))
        case {"op": "in", "entity": entity}:
            return Head(within=_uid(entity))
        case {"op": "is", "entity_type": of_type, "in": {"entity": entity}}:
            return Head(of_type=of_type, within=_uid(entity))
        case {"op": "is", "entity_type": of_type}:
            return Head(of_type=of_type)
        case {"op": "All"}:
            return Head()
        case _:
            raise InvalidError("templates (?principal, ?resource) are not supported")


def _actions(tree: Mapping[str, Any]) -> frozenset[PolicyAction]:
    match tree:
        case {"op": "All"}:
            return frozenset(PolicyAction)
        case {"entities": entities}:
            named = [entity["id"] for entity in entities]
        case _:
            named = [tree["entity"]["id"]]
    known = set(PolicyAction)
    unknown = sorted(set(named) - known)
    if unknown:
        raise InvalidError(f"there is no action {unknown[0]!r}; the actions are {_words(known)}")
    return frozenset(PolicyAction(name) for name in named)


def _check_annotations(
    annotations: Mapping[str, str], *, permits: bool, actions: frozenset[PolicyAction]
) -> None:
    unknown = sorted(set(annotations) - ALWAYS_KNOWN - TERM_NAMES)
    if unknown:
        raise InvalidError(
            f"unknown annotation @{unknown[0]}; known are {_words(ALWAYS_KNOWN | TERM_NAMES, '@')}"
        )
    terms = sorted(TERM_NAMES & set(annotations))
    if terms and not (permits and actions <= TERM_ACTIONS):
        raise InvalidError(
            f"@{terms[0]} counts only on a permit whose action is request, extend or break_glass;"
            " elsewhere write a condition"
        )
    people = sorted(ABOUT_PEOPLE & set(annotations))
    if people and PolicyAction.BREAK_GLASS in actions:
        raise InvalidError(f"@{people[0]} has no place on break_glass, which asks nobody")
    if annotations.get("additional"):
        raise InvalidError("@additional takes no value")
    if terms == ["additional"]:
        raise InvalidError("@additional without another term adds nothing")
    for name in WITH_APPROVALS:
        if name in annotations and "approvals" not in annotations:
            raise InvalidError(f'@{name} needs @approvals, such as @approvals("1")')


def _rule_id(annotations: Mapping[str, str], source: str) -> str:
    given = annotations.get("id")
    if given is None:
        return source
    if _ID.fullmatch(given) is None:
        raise InvalidError("@id is letters, digits, dots, dashes and underscores, at most 128")
    return given


def _message(annotations: Mapping[str, str]) -> str:
    text = annotations.get("message", "")
    if len(text) > MAX_MESSAGE or not text.isprintable():
        raise InvalidError(f"@message is one printable line of at most {MAX_MESSAGE} characters")
    return text


def _terms(annotations: Mapping[str, str]) -> Terms:
    approvals = annotations.get("approvals")
    longest, lasts = annotations.get("max_duration"), annotations.get("approval_lasts")
    window = annotations.get("window")
    requires = frozenset(annotations.get("requires", "").split())
    if "requires" in annotations and not (requires and requires <= REQUIRABLE):
        raise InvalidError(f"@requires is one or both of {_words(REQUIRABLE)}")
    return Terms(
        approvals=None if approvals is None else _count(approvals),
        approvers=_approvers(annotations["approvers"]) if "approvers" in annotations else (),
        stage=_stage(annotations["stage"]) if "stage" in annotations else 1,
        approval_lasts=None if lasts is None else parse_duration(lasts),
        window=None if window is None else WeeklyWindow.parse(window),
        longest=None if longest is None else parse_duration(longest),
        requires=requires,
        signed=_signing(annotations["signed"]) if "signed" in annotations else None,
        evidence=_evidence(annotations["evidence"]) if "evidence" in annotations else frozenset(),
        additional="additional" in annotations,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_APPROVALS):
        raise InvalidError(
            f"@approvals is a whole number from 1 to {MAX_APPROVALS};"
            " for none, permit the action auto_approve"
        )
    return int(text)


def _stage(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_STAGE):
        raise InvalidError(f"@stage is a whole number from 1 to {MAX_STAGE}")
    return int(text)


def _signing(text: str) -> Signing:
    try:
        return Signing(text)
    except ValueError:
        raise InvalidError(f"@signed is one of {_words(set(Signing))}") from None


def _evidence(text: str) -> frozenset[EvidenceKind]:
    kinds = frozenset(text.split())
    if not kinds or not kinds <= set(EvidenceKind):
        raise InvalidError(f"@evidence is one or both of {_words(set(EvidenceKind))}")
    return frozenset(map(EvidenceKind, kinds))


def _approvers(text: str) -> tuple[str, ...]:
    names = tuple(sorted({name.strip() for name in text.split(",")}))
    for name in names:
        if _LABEL_REFERENCE.fullmatch(name) is None:
            GroupName(name)
    return names


def _words(names: frozenset[str] | set[Any], mark: str = "") -> str:
    return ", ".join(sorted(f"{mark}{name}" for name in names))
