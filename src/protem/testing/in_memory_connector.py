"""A target in memory that keeps the connector's promises, and breaks them when a test says so.

Here: the target, its sessions, and faults to inject. Not here: privileges that mean anything.

Invariants: with no fault injected it passes the connector contract; all time is the given clock's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from protem.domain.errors import (
    IndeterminateError,
    InvalidError,
    RefusedError,
    RetryLaterError,
    TargetError,
)
from protem.domain.evidence import EvidenceKind, Exhibit
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.observations import Capabilities, LiveSession, MarkedPrivilege, Observation
from protem.domain.orders import MOST_CLOCK_SKEW, PublicHalf, Receipt, SignedOrder
from protem.domain.scopes import Scope
from protem.domain.scram import FORM, check_scram_verifier
from protem.ports.clock import Clock

KINDS = frozenset({"database", "schema", "table", "sequence", "function"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGrant:
    """What the target in memory knows of one grant."""

    grant_id: GrantId
    target: TargetName
    scope: Scope
    expires_at: datetime
    public_half: PublicHalf


class InMemoryTarget:
    """The target itself; several connectors may share one."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.grants: dict[GrantId, HeldGrant] = {}
        self.sessions: dict[str, GrantId] = {}
        self._opened = 0

    def open_session(self, grant_id: GrantId) -> str:
        """Log in under a grant and return the session's handle.

        Raises:
            RefusedError: when there is no such grant now, or it is past its deadline.
        """
        held = self.grants.get(grant_id)
        if held is None or held.expires_at <= self.clock.now():
            raise RefusedError("the target refuses the login")
        self._opened += 1
        handle = str(self._opened)
        self.sessions[handle] = grant_id
        return handle

    def cut_sessions(self, grant_id: GrantId) -> None:
        """End the sessions of a grant and leave the grant."""
        for handle in [key for key, owner in self.sessions.items() if owner == grant_id]:
            del self.sessions[handle]


class InMemoryConnector:
    """Implements the connector port over an ``InMemoryTarget``."""

    def __init__(
        self, clock: Clock, *, name: TargetName, target: InMemoryTarget | None = None
    ) -> None:
        self.target = target or InMemoryTarget(clock)
        self.name = name
        self.calls: list[str] = []
        self._faults: deque[TargetError] = deque()
        self._hangs = 0
        self._interrupted = 0
        self.rehearsed_rows = 1

    @property
    def capabilities(self) -> Capabilities:
        """As PostgreSQL's: new use ends natively, live use does not."""
        return Capabilities(
            refuses_new_use_at_expiry=True, ends_live_use_at_expiry=False, scope_is_enforced=True
        )

    def fail_next(self, error: TargetError, times: int = 1) -> None:
        """Let the next ``times`` calls raise ``error`` and do nothing."""
        self._faults.extend([error] * times)

    def hang_next(self, times: int = 1) -> None:
        """Let the next ``times`` calls wait until they are cancelled."""
        self._hangs += times

    def interrupt_next_provision(self, times: int = 1) -> None:
        """Let ``provision`` do its work and then raise ``IndeterminateError``."""
        self._interrupted += times

    async def provision(self, order: SignedOrder, public_half: PublicHalf) -> Receipt:
        """Keep the grant."""
        await self._enter("provision")
        wanted = order.order
        now = self.target.clock.now()
        if wanted.target != self.name or wanted.expires_at <= now:
            raise RefusedError("the order is for another target, or past its expiry")
        if wanted.issued_at - now > MOST_CLOCK_SKEW:
            raise RefusedError("the target's clock is behind the order's")
        if wanted.provision_by <= now:
            raise RetryLaterError("the order came too late")
        if any(privilege.kind not in KINDS for privilege in wanted.scope):
            raise RefusedError("the scope holds a privilege that the target does not know")
        try:
            check_scram_verifier(public_half.value if public_half.form == FORM else "")
        except InvalidError as error:
            raise RefusedError(error.message) from None
        held = self.target.grants.get(wanted.grant_id)
        deadline = max(wanted.expires_at, held.expires_at if held else wanted.expires_at)
        self.target.grants[wanted.grant_id] = HeldGrant(
            grant_id=wanted.grant_id,
            target=self.name,
            scope=wanted.scope,
            expires_at=deadline,
            public_half=public_half,
        )
        if self._interrupted:
            self._interrupted -= 1
            raise IndeterminateError("the answer was lost")
        name = wanted.grant_id.name_at_target
        return Receipt(name_at_target=name, login={"user": name})

    async def end(self, grant_id: GrantId) -> None:
        """Forget the grant and its sessions."""
        await self._enter("end")
        self.target.grants.pop(grant_id, None)
        self.target.cut_sessions(grant_id)

    async def observe(self) -> Observation:
        """Return this target's grants and their sessions, and strays."""
        await self._enter("observe")
        now = self.target.clock.now()
        mine = [held for held in self.target.grants.values() if held.target == self.name]
        return Observation(
            at=now,
            privileges=tuple(
                MarkedPrivilege(
                    name=held.grant_id.name_at_target,
                    grant_id=held.grant_id,
                    expires_at=held.expires_at,
                    usable=held.expires_at > now,
                    scope=held.scope,
                )
                for held in mine
            ),
            sessions=tuple(
                LiveSession(privilege=self._privilege(owner), handle=handle)
                for handle, owner in self.target.sessions.items()
            ),
        )

    async def rehearse(self, statement: str, scope: Scope, kind: EvidenceKind) -> Exhibit:
        """Say that ``rehearsed_rows`` rows are meant; nothing else happens."""
        await self._enter("rehearse")
        if any(privilege.kind not in KINDS for privilege in scope):
            raise RefusedError("the scope holds a privilege that the target does not know")
        now, explained = self.target.clock.now(), kind is EvidenceKind.EXPLAIN
        detail = f"the plan of {statement}" if explained else ""
        return Exhibit(kind=kind, at=now, rows=self.rehearsed_rows, detail=detail)

    async def cut_strays(self) -> int:
        """End sessions whose grant is gone."""
        await self._enter("cut_strays")
        strays = [
            handle
            for handle, owner in self.target.sessions.items()
            if owner not in self.target.grants
        ]
        for handle in strays:
            del self.target.sessions[handle]
        return len(strays)

    async def close(self) -> None:
        """Nothing to let go of."""

    def lose_account(self, grant_id: GrantId) -> None:
        """Remove the grant behind the connector's back, leaving its sessions as strays."""
        del self.target.grants[grant_id]

    def _privilege(self, grant_id: GrantId) -> str:
        return grant_id.name_at_target if grant_id in self.target.grants else ""

    async def _enter(self, call: str) -> None:
        self.calls.append(call)
        if self._hangs:
            self._hangs -= 1
            await asyncio.Event().wait()
        if self._faults:
            raise self._faults.popleft()
