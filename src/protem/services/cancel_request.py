"""Withdraw one's own request, or an approval not yet used."""

from __future__ import annotations

from protem.domain import audit_events, grants
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.ports.store import Transaction
from protem.services.activate_grant import own_grant
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_decided


async def cancel_request(around: Surroundings, principal: Principal, grant_id: GrantId) -> Grant:
    """Cancel it.

    Raises:
        NotFoundError: when it is not the caller's.
        ConflictError: when it is already in use (end it instead) or over.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> Grant:
        grant = grants.cancel(own_grant(transaction, principal, grant_id), at=now)
        transaction.grants.save(grant)
        transaction.audit.append(audit_events.closed_unused(grant, now, str(principal.id)))
        tell_decided(around, transaction, grant, now, principal.id)
        return grant

    grant = await around.store.write(work)
    around.announcer.announce(grant.id)
    return grant
