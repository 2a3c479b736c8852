"""Death at a chosen point: ports that count every place where a process meets the world.

Here: one life of a process, and the ports it works through. Each call has a point before and after
it; a transaction has one more, when its work is done and nothing is committed; an end has one when
half of it is done at the target. Run once to count, then again to die at the n-th.

Not here: what is played and what must hold afterwards (``tests/faults``).

Invariants:
- ``Crash`` is no ``Exception``: nothing that handles errors can survive it.
- After it every call of that life raises it again, so that no ``finally`` does a dead man's work.
- What was committed or done at the target before the point stays; nothing else does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from protem.domain.errors import IndeterminateError
from protem.domain.identifiers import GrantId
from protem.domain.observations import Capabilities, Observation
from protem.domain.orders import PublicHalf, Receipt, SignedOrder
from protem.ports.audit_log import AuditLog
from protem.ports.connector import CutsStraySessions
from protem.ports.signer import Signer
from protem.ports.store import Store, Transaction
from protem.testing.in_memory_connector import InMemoryConnector

T = TypeVar("T")


class Crash(BaseException):
    """The process is dead."""


@dataclass(slots=True)
class Life:
    """One life of a process.

    Attributes:
        dies_at: the number of the point at which it ends, counting from 1; None for never.
        points: the names of those passed.
        loses: how many of the next calls to provision are lost on the way, for the time being.
        meanwhile: what others do in this process while the next call to provision is under way.
        sent: calls that are on their way to the target; whoever plays the network delivers them.
    """

    dies_at: int | None = None
    points: list[str] = field(default_factory=list)
    dead: bool = False
    loses: int = 0
    meanwhile: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    sent: list[tuple[SignedOrder, PublicHalf]] = field(default_factory=list)

    def point(self, name: str) -> None:
        """Pass a point, or die at it.

        Raises:
            Crash: here, and from now on everywhere.
        """
        if not self.dead:
            self.points.append(name)
            self.dead = len(self.points) == self.dies_at
        if self.dead:
            raise Crash(name)


class MortalStore:
    """A store in the hands of a mortal process."""

    def __init__(self, store: Store, life: Life) -> None:
        self._store, self._life = store, life

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Die before, with the work done and not committed, or with it committed unbeknown."""
        name = work.__qualname__.replace(".<locals>", "")

        def work_and_live(transaction: Transaction) -> T:
            result = work(transaction)
            self._life.point(f"{name}: done, not committed")
            return result

        self._life.point(f"{name}: before")
        result = await self._store.write(work_and_live)
        self._life.point(f"{name}: committed")
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Die before or after."""
        name = work.__qualname__.replace(".<locals>", "")
        self._life.point(f"{name}: before reading")
        result = await self._store.read(work)
        self._life.point(f"{name}: read")
        return result

    async def close(self) -> None:
        """Nothing to close: the store outlives the process."""


class MortalConnector:
    """A connector in the hands of a mortal process; its target outlives it."""

    def __init__(self, connector: InMemoryConnector, life: Life) -> None:
        self._connector, self._life = connector, life

    @property
    def capabilities(self) -> Capabilities:
        """The target's."""
        return self._connector.capabilities

    async def provision(self, order: SignedOrder, public_half: PublicHalf) -> Receipt:
        """Die before (the call may be on its way), or with the privilege made and no answer."""
        try:
            self._life.point("provision: sent")
        except Crash:
            self._life.sent.append((order, public_half))
            raise
        while self._life.meanwhile:
            await self._life.meanwhile.pop()()
        if self._life.loses:
            self._life.loses -= 1
            self._life.sent.append((order, public_half))
            raise IndeterminateError("no answer came")
        receipt = await self._connector.provision(order, public_half)
        self._life.point("provision: made")
        return receipt

    async def end(self, grant_id: GrantId) -> None:
        """Die before, with the sessions cut and the privilege still there, or after."""
        self._life.point("end: before")
        self._connector.target.cut_sessions(grant_id)
        self._life.point("end: half done")
        await self._connector.end(grant_id)
        self._life.point("end: gone")

    async def observe(self) -> Observation:
        """Die before or after."""
        self._life.point("observe: before")
        observed = await self._connector.observe()
        self._life.point("observe: read")
        return observed

    async def cut_strays(self) -> int:
        """Die before or after."""
        assert isinstance(self._connector, CutsStraySessions)
        self._life.point("cut strays: before")
        count = await self._connector.cut_strays()
        self._life.point("cut strays: cut")
        return count

    async def close(self) -> None:
        """Nothing to let go of."""


class MortalAuditLog:
    """An audit log in the hands of a mortal process."""

    def __init__(self, log: AuditLog, life: Life) -> None:
        self._log, self._life = log, life

    def check_writable(self) -> None:
        """Die before."""
        self._life.point("audit log: asked")
        self._log.check_writable()

    async def publish(self) -> int:
        """Die before or after."""
        self._life.point("audit log: before publishing")
        size = await self._log.publish()
        self._life.point("audit log: published")
        return size


class MortalSigner:
    """A signer in the hands of a mortal process."""

    def __init__(self, signer: Signer, life: Life) -> None:
        self._signer, self._life = signer, life

    @property
    def key_id(self) -> str:
        """The key's."""
        return self._signer.key_id

    @property
    def public_key(self) -> bytes:
        """The key's."""
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        """Die before or after."""
        self._life.point("sign: before")
        signature = self._signer.sign(message)
        self._life.point("sign: signed")
        return signature
