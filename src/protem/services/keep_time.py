"""Keep the clock's mark, so that time does not go back over a restart or between two machines.

Here: learn what was kept, keep what is known now. Not here: the rule (``domain.trusted_time``).
"""

from __future__ import annotations

from protem.ports.clock import Clock
from protem.ports.store import Store, Transaction


async def keep_time(store: Store, clock: Clock) -> None:
    """Exchange marks with the store.

    Raises:
        AuditUnavailableError: when the mark could not be kept; the kept one, if readable, was
            learnt all the same.
    """
    await recall_time(store, clock)

    def work(transaction: Transaction) -> None:
        transaction.clock.put(clock.mark())

    await store.write(work)


async def recall_time(store: Store, clock: Clock) -> None:
    """Learn the mark that was kept."""
    kept = await store.read(lambda view: view.clock.get())
    if kept is not None:
        clock.learn(kept)
