"""Begin a run: go on at once with what an earlier run, which is dead, had leased.

Here: the leases that are left are given up, so that nothing waits for a dead process. Not here: the
proof that it is dead; who calls this holds the state folder for itself alone.

Invariants: an order that the dead process sent may still take effect until its lease would have run
out, so a grant of which one may be under way is unsettled until then, and its end is recorded only
afterwards.
"""

from __future__ import annotations

from protem.domain import audit_events, grants
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


async def take_over_work(around: Surroundings) -> int:
    """Give up every lease; return how many there were.

    Raises:
        AuditUnavailableError: when it could not be recorded; then the leases run out by themselves.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> int:
        leased = transaction.work.leased()
        for grant, until in leased:
            if grants.may_be_under_way(grant) and until > now:
                unsettled = grants.unsettle(grant, until=until)
                transaction.grants.save(unsettled)
                transaction.audit.append(audit_events.unsettled(unsettled, now))
        transaction.work.release_all()
        return len(leased)

    return await around.store.write(work)
