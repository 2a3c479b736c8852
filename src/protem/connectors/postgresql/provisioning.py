"""Making a grant's role, in one round trip when its scope role is there already.

Here: the short way, the careful way (first use of a scope, an extension, a repair), and scope
roles. Not here: connections, retries, or the check of the order.

Invariants:
- A scope role is made whole or not at all: role, mark and rights are one transaction that reads
  the rights back before it commits.
- Whoever uses a scope role holds its advisory lock shared, whoever makes or removes one exclusive,
  until commit. GRANTs also hold ``GRANT_LOCK``. Always in this order.
- A deadline only moves later, and a role that is being ended is not brought back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg import sql

from protem.connectors.postgresql import read_back
from protem.connectors.postgresql.connections import Connection
from protem.connectors.postgresql.marks import GRANT_LOCK, GrantMark, ScopeMark, lock_key
from protem.connectors.postgresql.read_back import RoleRow
from protem.connectors.postgresql.scope_grants import describe, function_paths, grant_statements
from protem.domain.durations import format_duration
from protem.domain.errors import RefusedError, RetryLaterError, TargetError
from protem.domain.instants import format_instant
from protem.domain.orders import MOST_CLOCK_SKEW

SET_OPTION_SINCE = 160_000
"""From this version membership can be given without the right to SET ROLE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Limits on a grant's sessions.

    The timeouts are comfort: the user may set them otherwise. The number of connections is not.
    """

    connections: int = 10
    statement_timeout: timedelta | None = None
    idle_in_transaction_timeout: timedelta | None = None
    idle_session_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGrant:
    """One grant's role as it shall be, and when the order for it is good."""

    issued_at: datetime
    provision_by: datetime
    mark: GrantMark
    scope: ScopeMark
    scope_role: str
    verifier: str
    limits: SessionLimits

    @property
    def role(self) -> str:
        """The role's name."""
        return self.mark.grant_id.name_at_target


async def provision_shortly(connection: Connection, wanted: WantedGrant) -> None:
    """Make the role of a grant whose scope role exists and was read back lately.

    Raises:
        psycopg.errors.UndefinedObject: the scope role is gone.
        psycopg.errors.DuplicateObject: the grant's role exists.
        psycopg.errors.DivisionByZero: the order is not good by the target's clock.
    """
    message = sql.SQL("{}; {}; {}").format(
        _lock(wanted.scope_role, shared=True),
        _fail_unless_good_now(wanted),
        _create_role(wanted, connection.info.server_version),
    )
    await connection.execute(message)


async def provision_carefully(connection: Connection, wanted: WantedGrant) -> None:
    """Ensure scope role and grant role, whatever is there of them; one transaction.

    Raises:
        RefusedError: rights that cannot be given, or a role that is being ended.
        psycopg.errors.DivisionByZero: the order is not good by the target's clock.
    """
    async with connection.transaction():
        await connection.execute(_lock(wanted.scope_role, shared=False))
        await connection.execute(_fail_unless_good_now(wanted))
        await ensure_scope_role(connection, wanted.scope, wanted.scope_role)
        existing = await read_back.read_roles(connection, wanted.role)
        if existing:
            await _move_deadline(connection, wanted, existing[0])
        else:
            # Asked again in the same message: a sender that was stopped in between comes too late.
            await connection.execute(
                sql.SQL("{}; {}").format(
                    _fail_unless_good_now(wanted),
                    _create_role(wanted, connection.info.server_version),
                )
            )


async def ensure_scope_role(connection: Connection, mark: ScopeMark, name: str) -> None:
    """Make the scope role, or give it back rights that it lost; refuse one that holds more."""
    rows = await read_back.read_roles(connection, name)
    if not rows:
        await connection.execute(
            sql.SQL("CREATE ROLE {role} NOLOGIN; COMMENT ON ROLE {role} IS {comment}").format(
                role=sql.Identifier(name), comment=sql.Literal(mark.to_comment())
            )
        )
        rows = await read_back.read_roles(connection, name)
    oid = rows[0].oid
    held = (await read_back.read_held(connection, [oid]))[oid]
    if rows[0].member_of or rows[0].can_login or rows[0].is_powerful:
        raise RefusedError(f"scope role {name} was changed by hand: it may do more")
    missing = mark.scope.privileges - held.scope.privileges
    if missing:
        await connection.execute(sql.SQL("SELECT pg_advisory_xact_lock({})").format(GRANT_LOCK))
        routines = await read_back.read_routines(connection, function_paths(mark.scope))
        given = (privilege for privilege in mark.scope if privilege in missing)
        await connection.execute(grant_statements(given, name, routines))
        held = (await read_back.read_held(connection, [oid]))[oid]
    # The server only warns when the administrator may not pass a right on, so look.
    for privilege in mark.scope:
        if privilege not in held.scope.privileges:
            raise RefusedError(
                f"the administrator role cannot grant {describe(privilege)}",
                next_step="give it that right WITH GRANT OPTION",
            )
    extra = [describe(held_one) for held_one in held.scope if held_one not in mark.scope.privileges]
    extra += held.beyond
    if extra:
        raise RefusedError(
            f"scope role {name} holds more than its scope: {extra[0]}",
            next_step="revoke by hand what was given by hand",
        )


async def _move_deadline(connection: Connection, wanted: WantedGrant, row: RoleRow) -> None:
    """Bring an existing role to what the order says."""
    mark = GrantMark.from_comment(row.comment)
    if mark is not None and mark.target != wanted.mark.target:
        raise RefusedError(f"role {row.name} belongs to target {mark.target}")
    if not row.can_login:
        raise RefusedError(f"role {row.name} is being ended and is not brought back")
    deadline = max(wanted.mark.expires_at, row.valid_until or wanted.mark.expires_at)
    settled = replace(wanted, mark=replace(wanted.mark, expires_at=deadline))
    role = sql.Identifier(row.name)
    statements = [
        _fail_unless_good_now(wanted),
        sql.SQL("ALTER ROLE {} CONNECTION LIMIT {} VALID UNTIL {} PASSWORD {}").format(
            role,
            wanted.limits.connections,
            sql.Literal(format_instant(deadline)),
            sql.Literal(wanted.verifier),
        ),
        _comment(settled),
    ]
    statements += [
        sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(other), role)
        for other in row.member_of
        if other != wanted.scope_role
    ]
    if wanted.scope_role not in row.member_of:
        statements.append(_join_scope(wanted, connection.info.server_version))
    await connection.execute(sql.SQL("; ").join(statements))


def _create_role(wanted: WantedGrant, server_version: int) -> sql.Composed:
    role = sql.Identifier(wanted.role)
    statements = [
        sql.SQL(
            "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            " INHERIT CONNECTION LIMIT {} VALID UNTIL {} PASSWORD {}"
        ).format(
            role,
            wanted.limits.connections,
            sql.Literal(format_instant(wanted.mark.expires_at)),
            sql.Literal(wanted.verifier),
        ),
        _join_scope(wanted, server_version),
        _comment(wanted),
    ]
    timeouts = {
        "statement_timeout": wanted.limits.statement_timeout,
        "idle_in_transaction_session_timeout": wanted.limits.idle_in_transaction_timeout,
        "idle_session_timeout": wanted.limits.idle_session_timeout,
    }
    for name, timeout in timeouts.items():
        if timeout is not None:
            milliseconds = int(timeout.total_seconds() * 1000)
            statements.append(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    role, sql.Identifier(name), sql.Literal(milliseconds)
                )
            )
    return sql.SQL("; ").join(statements)


def _join_scope(wanted: WantedGrant, server_version: int) -> sql.Composed:
    """Without SET, nobody acts as the scope role and leaves objects that belong to it."""
    options = "WITH INHERIT TRUE, SET FALSE" if server_version >= SET_OPTION_SINCE else ""
    return sql.SQL("GRANT {} TO {} {}").format(
        sql.Identifier(wanted.scope_role), sql.Identifier(wanted.role), sql.SQL(options)
    )


def _comment(wanted: WantedGrant) -> sql.Composed:
    return sql.SQL("COMMENT ON ROLE {} IS {}").format(
        sql.Identifier(wanted.role), sql.Literal(wanted.mark.to_comment())
    )


def _lock(role: str, *, shared: bool) -> sql.Composed:
    kind = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    return sql.SQL("SELECT {}({})").format(sql.Identifier(kind), lock_key(role))


def _fail_unless_good_now(wanted: WantedGrant) -> sql.Composed:
    """A statement that divides by zero, and so undoes its transaction, at the wrong time.

    It comes after the lock, which may have been waited for.
    """
    return sql.SQL(
        "SELECT 1 / (clock_timestamp() >= {}::timestamptz"
        " AND clock_timestamp() < {}::timestamptz)::int"
    ).format(
        sql.Literal(format_instant(wanted.issued_at - MOST_CLOCK_SKEW)),
        sql.Literal(format_instant(min(wanted.provision_by, wanted.mark.expires_at))),
    )


async def untimely(connection: Connection, wanted: WantedGrant) -> TargetError:
    """Return what is wrong with an order that was not good by the database's clock."""
    now = await read_back.read_clock(connection)
    if now >= wanted.mark.expires_at:
        expired = format_instant(wanted.mark.expires_at)
        return RefusedError(f"the order expired at {expired} by the database's clock")
    if now < wanted.issued_at - MOST_CLOCK_SKEW:
        behind = format_duration(wanted.issued_at - now)
        return RefusedError(
            f"the database's clock is {behind} behind the server's: it would end grants too late",
            next_step="synchronise both clocks (NTP)",
        )
    return RetryLaterError(
        "the order came too late by the database's clock; is that ahead of the server's?"
    )
