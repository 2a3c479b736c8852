"""What a visitor may look at: asked of policy as the API asks it."""

from __future__ import annotations

from protem.domain.decisions import Outcome, PolicyAction
from protem.domain.policy_questions import about_role
from protem.domain.principals import Principal
from protem.services.surroundings import Surroundings


def holds(around: Surroundings, principal: Principal, *any_of: PolicyAction) -> bool:
    """Say whether policy gives ``principal`` one of these standing rights now."""
    now = around.clock.now()
    return any(
        around.policy.decide(about_role(action, principal, now)).outcome is Outcome.ALLOWED
        for action in any_of
    )


def may_read_rules(around: Surroundings, principal: Principal) -> bool:
    """Say whether the pages of policy are for ``principal``: auditors and administrators."""
    return holds(around, principal, PolicyAction.AUDIT, PolicyAction.ADMINISTER)
