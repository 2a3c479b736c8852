"""Privileges in one PostgreSQL database: the connector port over an administrator's connections.

Here: the port's methods, retries and the login facts for clients. Not here: the statements; see
``provisioning``, ``ending``, ``observing``.

Invariants: every method can be called again after any interruption and then finishes the work; the
target's clock is the only one that is read for deadlines.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import psycopg
from psycopg import errors

from protem.connectors.postgresql import ending, observing, provisioning, rehearsing
from protem.connectors.postgresql.connections import Connection, Connections
from protem.connectors.postgresql.failures import is_collision, is_lost, translate
from protem.connectors.postgresql.marks import GrantMark, ScopeMark
from protem.connectors.postgresql.order_check import check_order, check_public_half
from protem.connectors.postgresql.provisioning import SessionLimits, WantedGrant
from protem.connectors.postgresql.scope_grants import check_scope
from protem.domain.errors import IndeterminateError, RetryLaterError
from protem.domain.evidence import EvidenceKind, Exhibit
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.observations import Capabilities, Observation, StandingPrivilege
from protem.domain.orders import Order, PublicHalf, Receipt, SignedOrder
from protem.domain.scopes import Scope
from protem.domain.secret import Secret

T = TypeVar("T")

_POOL_SIZE = 8
_TRIES = 4
_TRUST_SCOPE_ROLE_SECONDS = 30.0
"""How long a scope role that was read back whole is used without reading it again."""
_MOST_REMEMBERED = 10_000
_ANY_TARGET = TargetName("any")
_CAPABILITIES = Capabilities(
    refuses_new_use_at_expiry=True,
    ends_live_use_at_expiry=False,
    scope_is_enforced=True,
    notes=(
        (
            "VALID UNTIL is checked at password logins only: pg_hba lines with trust, peer or cert,"
            " and PgBouncer before 1.24.1, let an expired role in until it is removed."
        ),
        "A live session outlives the deadline until the reconciler or `protem sweep` cuts it.",
        "What PUBLIC may do in any database of the cluster, a grant may do too.",
    ),
)


@functools.lru_cache(maxsize=1_000)
def _checked_scope(target: TargetName, database: str, scope: Scope) -> tuple[ScopeMark, str]:
    """Return the mark and role of a scope once checked: digests of wide scopes take a while."""
    check_scope(scope, database)
    mark = ScopeMark(target=target, database=database, scope=scope, scope_digest=scope.digest)
    return mark, mark.role


class PostgresqlConnector:
    """Implements ``ports.connector.Connector`` and its optional powers for one database."""

    def __init__(  # noqa: PLR0913  # one for each fact of a target
        self,
        administrator: Secret,
        *,
        target: TargetName | None = None,
        login: Mapping[str, str] | None = None,
        scram_iterations: int = 1,
        limits: SessionLimits | None = None,
        order_key: bytes | None = None,
        check_approvals: Callable[[Order], None] | None = None,
    ) -> None:
        """Check the arguments; connects on first use.

        Args:
            administrator: the administrator role's connection string; names the database.
            target: its name in the catalogue; orders for another are refused, and other targets'
                roles are not seen. None stands for every target of this database.
            login: facts for the client's tool: ``host``, ``port``, ``dbname``, ``sslmode``,
                ``sslrootcert``; ``user`` is added.
            scram_iterations: what a client's verifier must have at least.
            limits: on each grant's sessions.
            order_key: raw Ed25519 public key of the control plane; None leaves orders unchecked.
            check_approvals: raises ``DeniedError`` unless approvers signed what an order grants.

        Raises:
            InvalidError: when the connection string cannot be parsed.
        """
        self._connections = Connections(administrator, _POOL_SIZE)
        self._target = target
        self._login = dict(login or {})
        self._scram_iterations = scram_iterations
        self._limits = limits or SessionLimits()
        self._order_key = order_key
        self._check_approvals = check_approvals
        self._whole_until: dict[str, float] = {}
        self._rehearsals = asyncio.Lock()  # the database's own lock would make the next wait

    @property
    def capabilities(self) -> Capabilities:
        """What PostgreSQL enforces by itself."""
        return _CAPABILITIES

    async def provision(self, order: SignedOrder, public_half: PublicHalf) -> Receipt:
        """Ensure the grant's role; one round trip when its scope was used lately."""
        checked = check_order(order, self._target, self._order_key, self._check_approvals)
        verifier = check_public_half(public_half, self._scram_iterations)

        async def work(connection: Connection) -> None:
            database = connection.info.dbname
            scope, role = _checked_scope(checked.target, database, checked.scope)
            mark = GrantMark(
                grant_id=checked.grant_id,
                target=checked.target,
                database=database,
                scope_digest=scope.scope_digest,
                expires_at=checked.expires_at,
            )
            wanted = WantedGrant(
                issued_at=checked.issued_at,
                provision_by=checked.provision_by,
                mark=mark,
                scope=scope,
                scope_role=role,
                verifier=verifier,
                limits=self._limits,
            )
            try:
                await self._provision(connection, wanted)
            except errors.DivisionByZero:
                raise await provisioning.untimely(connection, wanted) from None

        await self._run(work, changes=True, again_when_lost=False)
        name = checked.grant_id.name_at_target
        return Receipt(name_at_target=name, login={**self._login, "user": name})

    async def end(self, grant_id: GrantId) -> None:
        """Refuse logins, cut sessions, remove, read back."""
        target = self._target

        async def work(connection: Connection) -> None:
            role, open_database = grant_id.name_at_target, self._connections.open
            row = await ending.refuse_logins(connection, role, open_database)
            if row is None and await ending.is_being_made(connection, role):
                row = await ending.refuse_logins(connection, role, open_database)
            if row is None:
                await ending.tidy_scope_roles(connection, target)
                return
            await ending.cut_sessions(connection, row.oid)
            await ending.remove_role(connection, row, open_database)
            await ending.confirm_gone(connection, row)
            for scope_role in row.member_of:
                await ending.tidy_scope_roles(connection, target, scope_role)

        await self._run(work, changes=True)

    async def observe(self) -> Observation:
        """Return every marked role of this target, and sessions."""
        return await self._run(lambda connection: observing.observe(connection, self._target))

    async def standing_privileges(self) -> tuple[StandingPrivilege, ...]:
        """Return unmarked login roles that can do something here."""
        return await self._run(observing.standing_privileges)

    async def rehearse(self, statement: str, scope: Scope, kind: EvidenceKind) -> Exhibit:
        """Try a statement with a scope and undo it, on a connection of its own."""
        async with self._rehearsals:
            connection = await self._connections.open()
            try:
                target = self._target or _ANY_TARGET
                mark, _ = _checked_scope(target, connection.info.dbname, scope)
                return await rehearsing.rehearse(connection, mark, statement, kind)
            finally:
                await connection.close()

    @property
    def sweep_address(self) -> str:
        """The administrator's address, without the password."""
        return self._connections.address

    def removal_by_hand(self, name: str) -> str:
        """Return the statements that end and remove a role."""
        return observing.removal_by_hand(name)

    async def cut_strays(self) -> int:
        """End every session whose role does not exist any more; return how many were found."""
        return await self._run(ending.cut_strays, changes=True)

    async def close(self) -> None:
        """Let go of connections."""
        await self._connections.close()

    async def _provision(self, connection: Connection, wanted: WantedGrant) -> None:
        role = wanted.scope_role
        if self._whole_until.get(role, 0.0) > time.monotonic():
            try:
                await provisioning.provision_shortly(connection, wanted)
            except (errors.UndefinedObject, errors.DuplicateObject):
                self._whole_until.pop(role, None)
            else:
                return
        await provisioning.provision_carefully(connection, wanted)
        if len(self._whole_until) >= _MOST_REMEMBERED:
            self._whole_until.clear()
        self._whole_until[role] = time.monotonic() + _TRUST_SCOPE_ROLE_SECONDS

    async def _run(
        self,
        work: Callable[[Connection], Awaitable[T]],
        *,
        changes: bool = False,
        again_when_lost: bool = True,
    ) -> T:
        """Do idempotent ``work``, again on collisions and lost connections; translate errors.

        What makes a privilege is not done again when the connection was lost: the server may still
        do it at any time until the order runs out, and only the caller can wait for that.
        """
        lost = held_up = False
        for last in (*(False,) * (_TRIES - 1), True):
            try:
                async with self._connections.lend() as connection:
                    try:
                        if not held_up:
                            return await work(connection)
                        async with ending.holders_cut(connection, self._connections.open):
                            return await work(connection)
                    except psycopg.Error as error:
                        if changes and not held_up and isinstance(error, errors.LockNotAvailable):
                            held_up = True  # a grant's user may hold what we need
                            continue
                        lost_now = is_lost(error, connection)
                        lost = lost or lost_now
                        if lost_now and not again_when_lost:
                            raise translate(error, lost=True, changes=changes) from error
                        if last or not (lost_now or is_collision(error)):
                            raise translate(error, lost=lost_now, changes=changes) from error
            except RetryLaterError as error:
                if lost and changes:
                    raise IndeterminateError(error.message) from error
                raise
        raise AssertionError("the last try returns or raises")
