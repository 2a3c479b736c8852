"""Privileges at a kind of target, as a port.

One object serves the reconciler and the standalone sweep. Optional powers are protocols of their
own, tested with ``isinstance``.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from protem.domain.evidence import EvidenceKind, Exhibit
from protem.domain.identifiers import GrantId
from protem.domain.observations import Capabilities, Observation, StandingPrivilege
from protem.domain.orders import PublicHalf, Receipt, SignedOrder
from protem.domain.scopes import Scope


class Connector(Protocol):
    """Makes, ends and observes privileges at one target.

    Every method may raise ``RetryLaterError`` (nothing was changed), ``RefusedError`` (a person
    must act) or ``IndeterminateError`` (observe first); nothing else crosses this port. After a
    crash at any instruction, calling the same method again must finish the work.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this kind of target can and cannot enforce by itself."""
        ...

    async def provision(self, order: SignedOrder, public_half: PublicHalf) -> Receipt:
        """Ensure that the order's privilege is present, marked and dated, until its expiry.

        Idempotent; a second order for the same grant with a later expiry moves the deadline.

        Raises:
            RefusedError: also for an order past its expiry by the target's clock, one issued
                further in that clock's future than ``MOST_CLOCK_SKEW``, or a public half that does
                not fit.
            RetryLaterError: also for an order past its ``provision_by`` by the target's clock;
                another one, issued now, may be taken.
        """
        ...

    async def end(self, grant_id: GrantId) -> None:
        """Ensure that nothing of the grant is left; returns only when observed gone (law 4).

        Refuses new use, cuts live use, removes, reads back. Idempotent; harmless when there is
        nothing; never touches what another grant uses (law 8) or what bears no mark.
        """
        ...

    async def observe(self) -> Observation:
        """Return every marked privilege and every live session of one, complete or not at all."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class ScansStandingPrivileges(Protocol):
    """Can list unmarked privileges of people."""

    async def standing_privileges(self) -> tuple[StandingPrivilege, ...]:
        """Return people's unmarked privileges; reported, never touched."""
        ...


@runtime_checkable
class CutsStraySessions(Protocol):
    """Can end a session whose account is already gone."""

    async def cut_strays(self) -> int:
        """End every session whose account no longer exists; return how many were found."""
        ...


@runtime_checkable
class MendsByHand(Protocol):
    """Can say what a person types where Protem itself does not get through."""

    @property
    def sweep_address(self) -> str:
        """What ``protem sweep --target`` takes to reach this target; holds no password."""
        ...

    def removal_by_hand(self, name: str) -> str:
        """Return what to type at the target to end the marked privilege ``name``."""
        ...


@runtime_checkable
class RehearsesStatements(Protocol):
    """Can try a statement with exactly a scope, and undo all of it, before anybody approved it.

    What it does beforehand may reach nothing that a rollback does not undo; where it cannot tell,
    it refuses. It is over in seconds, whatever the statement; nothing is left of it at the target,
    also where it is cut off at any instruction.
    """

    async def rehearse(self, statement: str, scope: Scope, kind: EvidenceKind) -> Exhibit:
        """Return counts and plans of one statement, never a value of a row; harmless to repeat.

        Raises:
            RefusedError: it cannot or may not be tried; the message holds no value of a row.
            RetryLaterError: not now.
        """
        ...
