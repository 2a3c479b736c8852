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
from collections.abc import Mapping
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
_TRAITS = tuple((trait, "by_profile" if trait is Trait.PROFILE else str(trait)) for trait in Trait)
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
        entities = [_user(question.principal, self.principal)]
        if question.target is not None and self.resource.uid[0] == TARGET:
            entities.append(_target(question.target, self.resource))
        context = _moment(question)
        if question.action not in ABOUT_SYSTEM:
            _add_ask(question, context, facts)
        requester = question.requester
        if question.action in ABOUT_REVIEW and requester is not None:
            requester_facts = _user_facts(requester)
            if requester_facts.uid != self.principal.uid:
                entities.append(_user(requester, requester_facts))
            context["requester"] = {"__entity": _entity(requester_facts.uid)}
            context["is_self"] = requester.person == question.principal.person
        if facts is not None:
            context = {name: fact for name, fact in context.items() if name in facts}
            for entity in entities:
                attributes = entity["attrs"]
                entity["attrs"] = {name: attributes[name] for name in attributes if name in facts}
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


def _user(principal: Principal, facts: EntityFacts) -> dict[str, Any]:
    return {
        "uid": _entity(facts.uid),
        "attrs": {
            "kind": {"__entity": {"type": KIND, "id": str(principal.kind)}},
            "person": {"__entity": {"type": USER, "id": str(principal.person)}},
        },
        "parents": [{"type": GROUP, "id": group} for group in principal.groups],
    }


def _target_facts(target: Target) -> EntityFacts:
    uid = (TARGET, str(target.name))
    labels = ((LABEL, f"{key}={value}") for key, value in target.labels.items() if "=" not in key)
    return EntityFacts(uid=uid, inside=frozenset({uid, *labels}))


def _target(target: Target, facts: EntityFacts) -> dict[str, Any]:
    labels: Mapping[str, str] = target.labels
    attributes: dict[str, Any] = {key: labels[key] for key in _STRING_LABELS if key in labels}
    attributes["name"] = str(target.name)
    attributes["scheme"] = target.scheme
    if OWNER in labels:
        attributes[OWNER] = {"__entity": {"type": GROUP, "id": labels[OWNER]}}
    return {
        "uid": _entity(facts.uid),
        "attrs": attributes,
        "parents": [_entity(uid) for uid in facts.inside if uid != facts.uid],
    }


def _moment(question: Question) -> dict[str, Any]:
    at = question.at.astimezone(UTC)
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "at": {"__extn": {"fn": "datetime", "arg": text}},
        "weekday": at.isoweekday(),
        "hour": at.hour,
        "minute": at.minute,
    }


def _add_ask(question: Question, context: dict[str, Any], facts: frozenset[str] | None) -> None:
    seconds = math.ceil((question.duration or timedelta()).total_seconds())
    context["duration"] = {"__extn": {"fn": "duration", "arg": f"{seconds}s"}}
    context["extending"] = question.action is PolicyAction.EXTEND
    context["program"] = question.program
    context["tags"] = list(question.tags)
    if facts is None or facts & {"tables", "privileges"}:
        context["tables"], context["privileges"] = _touched(question.scope)
    for trait, attribute in _TRAITS:
        context[attribute] = trait in question.traits
    if question.reason.strip():
        context["reason"] = question.reason
    if question.ticket.strip():
        context["ticket"] = question.ticket
    if question.profile is not None:
        context["profile"] = question.profile


def _touched(scope: Scope) -> tuple[list[str], list[str]]:
    """Return the tables that a scope names, and what it does to anything."""
    privileges = scope.privileges
    paths = {privilege.path for privilege in privileges if privilege.kind == "table"}
    tables = [".".join(map(_spell, path)) for path in paths]
    return tables, list({privilege.action for privilege in privileges})


def _spell(name: str) -> str:
    """Quote a name that is not plain, so that a dot inside it cannot pass for a separator."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'
