"""Ports that count where a process meets the world, and let a test act at a chosen one.

Here: a store and a connector that await a hook before and after every call. Not here: what the
hook does (stop the process, delay the call) and dying (``crash_points``).

Invariant: a call that the hook lets out reaches the store or the target whole, and only then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from protem.domain.identifiers import GrantId
from protem.domain.observations import Capabilities, Observation
from protem.domain.orders import PublicHalf, Receipt, SignedOrder
from protem.ports.connector import Connector
from protem.ports.store import Store, Transaction

T = TypeVar("T")
Hook = Callable[[str], Awaitable[None]]
"""Called with the name of the point; the call goes on when it returns."""


class PausingStore:
    """A store with a point before and after each transaction."""

    def __init__(self, store: Store, hook: Hook) -> None:
        self._store, self._hook = store, hook

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Commit between two points."""
        name = _name_of(work)
        await self._hook(f"{name}: before")
        result = await self._store.write(work)
        await self._hook(f"{name}: committed")
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Read between two points."""
        name = _name_of(work)
        await self._hook(f"{name}: before reading")
        result = await self._store.read(work)
        await self._hook(f"{name}: read")
        return result

    async def close(self) -> None:
        """Nothing to close: the store outlives the process."""


class PausingConnector:
    """A connector with a point before and after each call."""

    def __init__(self, connector: Connector, hook: Hook) -> None:
        self._connector, self._hook = connector, hook

    @property
    def capabilities(self) -> Capabilities:
        """The target's."""
        return self._connector.capabilities

    async def provision(self, order: SignedOrder, public_half: PublicHalf) -> Receipt:
        """Provision between two points."""
        await self._hook("provision: before")
        receipt = await self._connector.provision(order, public_half)
        await self._hook("provision: made")
        return receipt

    async def end(self, grant_id: GrantId) -> None:
        """End between two points."""
        await self._hook("end: before")
        await self._connector.end(grant_id)
        await self._hook("end: gone")

    async def observe(self) -> Observation:
        """Observe between two points."""
        await self._hook("observe: before")
        observed = await self._connector.observe()
        await self._hook("observe: read")
        return observed

    async def close(self) -> None:
        """Nothing to let go of."""


def _name_of(work: Callable[[Transaction], object]) -> str:
    return work.__qualname__.replace(".<locals>", "")
