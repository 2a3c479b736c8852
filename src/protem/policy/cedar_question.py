"""A question in the engine's terms: request, context and the few entities that it needs.

Here: which fact of a question becomes which attribute of the shipped schema. Not here: evaluation.

Invariants:
- Everything that a person can type travels as JSON data; nothing is ever formatted into Cedar
  text.
- What is built conforms to ``protem.cedarschema``; a test holds the two together. The engine is
  told only the attributes that the rules at hand mention: reading facts is most of its work.
- A label whose key holds "=" is left out: it could pass for another one.
- An empty reason or ticket, or one of white space alone, is absent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from protem.domain.decisions import PolicyAction, Question
from protem.domain.errors import InvalidError
from protem.domain.plans import Trait
from protem.domain.principals import Principal
from protem.domain.scopes import Scope
from protem.domain.targets import Target
from protem.policy.policy_rules import EntityFacts, Uid

ACTION = "Protem::Action"
GROUP = "Protem::Group"
KIND = "Protem::Kind"
LABEL = "Protem::Label"
SYSTEM = "Protem::System"
TARGET = "Protem::Target"
USER = "Protem::User"

ABOUT_SYSTEM = frozenset({PolicyAction.AUDIT, PolicyAction.ADMINISTER})
ABOUT_REVIEW = frozenset({PolicyAction.APPROVE, PolicyAction.REVOKE})
OWNER = "owner"
_STRING_LABELS = ("env", "tier", "service")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_Fact = Callable[[Question], Any]
_SYSTEM_UID: Uid = (SYSTEM, "protem")


@dataclass(frozen=True, slots=True, kw_only=True)
class CedarQuestion:
    """One question, and who and where it is about in the engine's terms."""

    question: Question
    principal: EntityFacts
    resource: EntityFacts

    def telling(self, facts: frozenset[str] | None) -> ToldQuestion:
        """Return what the engine is told: the attributes among ``facts``; None is all of them."""
        question = self.question
        entities = [_user(question.principal, self.principal, facts)]
        if question.target is not None and self.resource.uid[0] == TARGET:
            entities.append(_target(question.target, self.resource, facts))
        known = _facts_of(question.action)
        names = known if facts is None else known.keys() & facts
        context = {name: fact for name in names if (fact := known[name](question)) is not None}
        requester = question.requester
        if question.action in ABOUT_REVIEW and requester is not None:
            requester_facts = _user_facts(requester)
            if requester_facts.uid != self.principal.uid:
                entities.append(_user(requester, requester_facts, facts))
        return ToldQuestion(
            principal=_entity(self.principal.uid),
            resource=_entity(self.resource.uid),
            entities=json.dumps(entities),
            context=json.dumps(context),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldQuestion:
    """One question, ready for the engine.

    Attributes:
        entities: the entity slice as JSON text.
        context: as JSON text.
    """

    principal: dict[str, str]
    resource: dict[str, str]
    entities: str
    context: str

    def request(self, action: PolicyAction) -> dict[str, Any]:
        """Return the engine's request for ``action`` with these facts."""
        return {
            "principal": self.principal,
            "action": {"type": ACTION, "id": str(action)},
            "resource": self.resource,
            "context": self.context,
        }


def cedar_question(question: Question) -> CedarQuestion:
    """Return ``question`` in the engine's terms.

    Raises:
        InvalidError: when a fact that the action needs is absent.
    """
    _check(question)
    if question.action in ABOUT_SYSTEM:
        resource = EntityFacts(uid=_SYSTEM_UID, inside=frozenset({_SYSTEM_UID}))
    else:
        resource = _target_facts(_required_target(question))
    return CedarQuestion(
        question=question, principal=_user_facts(question.principal), resource=resource
    )


def _check(question: Question) -> None:
    if question.action in ABOUT_SYSTEM:
        return
    if question.target is None:
        raise InvalidError(f"the question whether to {question.action} names no target")
    if question.action in ABOUT_REVIEW:
        if question.requester is None:
            raise InvalidError(f"the question whether to {question.action} names no requester")
    elif question.duration is None:
        raise InvalidError(f"the question whether to {question.action} names no duration")


def _required_target(question: Question) -> Target:
    if question.target is None:  # pragma: no cover  # _check refused it
        raise InvalidError("the question names no target")
    return question.target


def _entity(uid: Uid) -> dict[str, str]:
    return {"type": uid[0], "id": uid[1]}


def _user_facts(principal: Principal) -> EntityFacts:
    uid = (USER, str(principal.id))
    return EntityFacts(uid=uid, inside=frozenset({uid, *((GROUP, g) for g in principal.groups)}))


def _user(principal: Principal, about: EntityFacts, facts: frozenset[str] | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if facts is None or "kind" in facts:
        attributes["kind"] = {"__entity": {"type": KIND, "id": str(principal.kind)}}
    if facts is None or "person" in facts:
        attributes["person"] = {"__entity": {"type": USER, "id": str(principal.person)}}
    return {
        "uid": _entity(about.uid),
        "attrs": attributes,
        "parents": [{"type": GROUP, "id": group} for group in principal.groups],
    }


def _target_facts(target: Target) -> EntityFacts:
    uid = (TARGET, str(target.name))
    labels = ((LABEL, f"{key}={value}") for key, value in target.labels.items() if "=" not in key)
    return EntityFacts(uid=uid, inside=frozenset({uid, *labels}))


def _target(target: Target, about: EntityFacts, facts: frozenset[str] | None) -> dict[str, Any]:
    labels: Mapping[str, str] = target.labels
    attributes: dict[str, Any] = {key: labels[key] for key in _STRING_LABELS if key in labels}
    attributes["name"] = str(target.name)
    attributes["scheme"] = target.scheme
    if OWNER in labels:
        attributes[OWNER] = {"__entity": {"type": GROUP, "id": labels[OWNER]}}
    if facts is not None:
        attributes = {name: attributes[name] for name in attributes.keys() & facts}
    return {
        "uid": _entity(about.uid),
        "attrs": attributes,
        "parents": [_entity(uid) for uid in about.inside if uid != about.uid],
    }


def _at(question: Question) -> dict[str, Any]:
    text = question.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"__extn": {"fn": "datetime", "arg": text}}


def _duration(question: Question) -> dict[str, Any]:
    seconds = math.ceil((question.duration or timedelta()).total_seconds())
    return {"__extn": {"fn": "duration", "arg": f"{seconds}s"}}


def _has_trait(trait: Trait) -> _Fact:
    return lambda question: trait in question.traits


def _requester(question: Question) -> dict[str, Any] | None:
    requester = question.requester
    if requester is None:
        return None
    return {"__entity": {"type": USER, "id": str(requester.id)}}


def _is_self(question: Question) -> bool:
    requester = question.requester
    return requester is not None and requester.person == question.principal.person


def _is_manager(question: Question) -> bool:
    requester, me = question.requester, question.principal
    if requester is None or requester.manager is None:
        return False
    return requester.manager in me.speaks_for | {me.id, me.person}


def _oncall_age(question: Question) -> int | None:
    """Return the age of the rota's answer, rounded up: a rule on it must not be kinder than it."""
    as_of = question.principal.oncall_as_of
    return None if as_of is None else max(0, math.ceil((question.at - as_of).total_seconds()))


_MOMENT: dict[str, _Fact] = {
    "at": _at,
    "weekday": lambda question: question.at.astimezone(UTC).isoweekday(),
    "hour": lambda question: question.at.astimezone(UTC).hour,
    "minute": lambda question: question.at.astimezone(UTC).minute,
}
_ASK: dict[str, _Fact] = _MOMENT | {
    "duration": _duration,
    "extending": lambda question: question.action is PolicyAction.EXTEND,
    "reason": lambda question: question.reason if question.reason.strip() else None,
    "ticket": lambda question: question.ticket if question.ticket.strip() else None,
    "profile": lambda question: question.profile,
    "oncall_age_seconds": _oncall_age,
    "program": lambda question: question.program,
    "tables": lambda question: _tables(question.scope),
    "privileges": lambda question: list({each.action for each in question.scope.privileges}),
    "tags": lambda question: list(question.tags),
    **{
        "by_profile" if trait is Trait.PROFILE else str(trait): _has_trait(trait) for trait in Trait
    },
}
_REVIEW: dict[str, _Fact] = _ASK | {
    "requester": _requester,
    "is_self": _is_self,
    "is_manager": _is_manager,
}


def _facts_of(action: PolicyAction) -> Mapping[str, _Fact]:
    """Return how each fact of the context is read, by name; None is absent."""
    if action in ABOUT_SYSTEM:
        return _MOMENT
    return _REVIEW if action in ABOUT_REVIEW else _ASK


def _tables(scope: Scope) -> list[str]:
    paths = {privilege.path for privilege in scope.privileges if privilege.kind == "table"}
    return [".".join(map(_spell, path)) for path in paths]


def _spell(name: str) -> str:
    """Quote a name that is not plain, so that a dot inside it cannot pass for a separator."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'
