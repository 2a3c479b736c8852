"""Ask policy about a revision: the one way from a use case to a decision on a request.

Here: the target looked up, the question made, the answer returned as it is. Not here: what a denial
means to the caller (``refuse_if_denied``), and standing rights such as ``audit``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from protem.domain.decisions import Decision, PolicyAction
from protem.domain.policy_questions import about_request
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.services.surroundings import Surroundings


def ask_policy(
    around: Surroundings,
    action: PolicyAction,
    revision: RequestRevision,
    *,
    principal: Principal,
    at: datetime,
    requester: Principal | None = None,
) -> Decision:
    """Return whether ``principal`` may do ``action`` with this revision, as of ``at``.

    ``requester`` is whose request it is, when ``principal`` reviews or revokes it.

    Raises:
        NotFoundError: when the revision's target is not declared any more.
    """
    target = around.catalogue.target(revision.target)
    question = about_request(
        action, revision, principal=principal, target=target, at=at, requester=requester
    )
    return around.policy.decide(question)


def foresee_policy(
    around: Surroundings, revision: RequestRevision, principal: Principal, at: datetime
) -> Decision:
    """Return what policy would say to the request if its target gave all evidence that is asked.

    Raises:
        NotFoundError: when the revision's target is not declared any more.
    """
    target = around.catalogue.target(revision.target)
    question = about_request(
        PolicyAction.REQUEST, revision, principal=principal, target=target, at=at
    )
    return around.policy.decide(replace(question, exhibits=None))
