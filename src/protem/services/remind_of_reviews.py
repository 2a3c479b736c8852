"""Tell again of broken glass that still owes its review.

Here: one round over what is owed. Not here: the first telling, which is part of the grant's end
(tell_people), and the rhythm of the rounds.

Invariants: a notice is kept once for each channel and day since the end, however often this runs.
"""

from __future__ import annotations

from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_review_due

_MOST = 1_000


async def remind_of_reviews(around: Surroundings) -> int:
    """Keep today's notice of each review that is owed; return how many are."""
    if not around.channels:
        return 0
    now = around.clock.now()
    if not await around.store.read(lambda view: view.glass.list(open_only=True, limit=1)):
        return 0

    def work(transaction: Transaction) -> int:
        owed = transaction.glass.list(open_only=True, limit=_MOST)
        told = [
            tell_review_due(around, transaction, transaction.grants.get(broken.grant_id), now)
            for broken in owed
        ]
        return sum(told)

    return await around.store.write(work)
