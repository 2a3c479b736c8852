"""Take a key out of use: lost, replaced, or its owner gone.

Here: the removal with its audit entry. What the key signed before stops counting for grants that
are not active yet. Not here: ending grants that are.
"""

from __future__ import annotations

from protem.domain import approver_key_events
from protem.domain.approver_keys import ApproverKey
from protem.domain.decisions import Outcome, PolicyAction
from protem.domain.errors import NotFoundError
from protem.domain.policy_questions import about_role
from protem.domain.principals import Principal
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


async def remove_approver_key(
    around: Surroundings, principal: Principal, key_id: str
) -> ApproverKey:
    """Remove one's own key; an administrator may remove anyone's.

    Raises:
        NotFoundError: when there is none that the caller may remove.
        ConflictError: when it is removed already.
    """
    now = around.clock.now()
    asked = around.policy.decide(about_role(PolicyAction.ADMINISTER, principal, now))
    administers = asked.outcome is Outcome.ALLOWED

    def work(transaction: Transaction) -> ApproverKey:
        key = transaction.approver_keys.get(key_id)
        if key.owner != principal.id and not administers:
            raise NotFoundError("there is no such key")
        removed = key.removed(max(now, key.added_at))
        transaction.approver_keys.put(removed)
        transaction.audit.append(approver_key_events.key_removed(removed, str(principal.id), now))
        return removed

    removed = await around.store.write(work)
    around.announcer.announce()
    return removed
