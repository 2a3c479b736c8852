"""From a request to the question that policy is asked about it.

Here: one place that decides which facts of a request policy sees. Not here: the answer.
"""

from __future__ import annotations

from datetime import datetime

from protem.domain.decisions import PolicyAction, Question, tagged_privileges
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.domain.targets import Target


def about_request(
    action: PolicyAction,
    revision: RequestRevision,
    *,
    principal: Principal,
    target: Target,
    at: datetime,
    requester: Principal | None = None,
) -> Question:
    """Return the question whether ``principal`` may do ``action`` with this revision.

    ``requester`` is whose request it is, when ``principal`` reviews or revokes it.
    """
    return Question(
        action=action,
        principal=principal,
        at=at,
        target=target,
        scope=revision.plan.scope,
        traits=revision.plan.traits,
        tags=frozenset(tagged_privileges(revision.plan.scope, target)),
        program=revision.command.argv[0],
        profile=revision.profile,
        duration=revision.duration,
        reason=revision.reason,
        ticket=revision.ticket,
        requester=requester,
        start=revision.begins(at) if action is PolicyAction.REQUEST else None,
        exhibits=revision.evidence.exhibits,
    )


def about_role(action: PolicyAction, principal: Principal, at: datetime) -> Question:
    """Return the question whether ``principal`` holds a standing right such as ``audit``."""
    return Question(action=action, principal=principal, at=at)
