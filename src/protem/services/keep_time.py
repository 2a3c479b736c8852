"""Keep the clock's marks, so that time does not go back over a restart or between two machines.

Here: learn what was kept, keep what is known now. Not here: the rule (``domain.trusted_time``).
"""

from __future__ import annotations

from protem.ports.clock import Clock
from protem.ports.store import Store, Transaction

_BOOTS = 64
"""Of so many runs of machines the last mark is kept; those of older ones only say less."""


async def keep_time(store: Store, clock: Clock) -> None:
    """Exchange marks with the store.

    Raises:
        AuditUnavailableError: when the mark could not be kept; the kept ones, if readable, were
            learnt all the same.
    """
    await recall_time(store, clock)

    def work(transaction: Transaction) -> None:
        transaction.clock.put(clock.mark())
        transaction.clock.forget_but(_BOOTS)

    await store.write(work)


async def recall_time(store: Store, clock: Clock) -> None:
    """Learn the marks that were kept: this machine's own says more than another's later one."""
    for mark in await store.read(lambda view: view.clock.marks()):
        clock.learn(mark)
