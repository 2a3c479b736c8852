"""Ending a grant's role: refuse logins, cut sessions, remove, read back.

Here: that order and nothing else: law 4. Not here: deciding what ends.

Why one look is not enough: a login that passed its check just before NOLOGIN committed is not yet
among the sessions. But it runs inside its start-up transaction, whose virtual id is in ``pg_locks``
from before that check until after it is listed. So the ids that are there once NOLOGIN has
committed are waited for; a login that begins later meets NOLOGIN. Such a transaction may also
belong to a client that dawdles over its password and has not been checked; after ``_SETTLE`` those
(they do not hold the database's lock yet, which comes right after the check) are let be.

Invariants:
- ``pg_locks`` is read before ``pg_stat_activity``, in an earlier statement: what leaves the first
  list is in the second.
- From version 18 on, a login that is under way is listed too, but without role and database.
- ``backend_type`` is hidden from an administrator that may not read others' statistics: not used.
- Sessions are ended by the plain ``pg_terminate_backend``; its waiting form polls every 100 ms.
- A role that is dropped has no session; one that is found all the same is cut by its number.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg import errors, sql

from protem.connectors.postgresql import read_back
from protem.connectors.postgresql.connections import Connection
from protem.connectors.postgresql.marks import GRANT_LOCK, SCOPE_MARK, ScopeMark, lock_key
from protem.connectors.postgresql.provisioning import SET_OPTION_SINCE
from protem.connectors.postgresql.read_back import RoleRow
from protem.domain.errors import RetryLaterError

_SETTLE = 1.0
_PATIENCE = 8.0
"""Seconds until a session that does not go is reported; the caller tries again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05

_STARTING = sql.SQL("""
SELECT virtualtransaction, pid,
       bool_or(locktype = 'object' AND classid = 'pg_database'::regclass)
FROM pg_locks WHERE pid IS NOT NULL GROUP BY virtualtransaction, pid
HAVING bool_or(locktype = 'virtualxid')
""")
_CUT = sql.SQL("""
SELECT pid, usesysid IS NOT DISTINCT FROM {role},
       CASE WHEN usesysid = {role} THEN pg_terminate_backend(pid) END
FROM pg_stat_activity WHERE usesysid IS NOT NULL OR datid IS NOT NULL
""")
_SCOPE_USERS = sql.SQL("""
SELECT r.rolname, d.description FROM pg_roles r
LEFT JOIN pg_shdescription d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
WHERE r.rolname LIKE {pattern} AND NOT EXISTS (
    SELECT FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member
    WHERE m.roleid = r.oid AND u.rolname ~ '^protem_[0-7][0-9a-z]{{25}}$')
""")

_CUT_HOLDERS = sql.SQL("""
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.pid = ANY (pg_blocking_pids({})) AND r.rolname ~ '^protem_[0-7][0-9a-z]{{25}}$'
""")

OpenDatabase = Callable[[str], Awaitable[Connection]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look: start-up transactions (and whether past their check), then sessions."""

    starting: dict[str, bool]
    sessions: int


async def refuse_logins(
    connection: Connection, role: str, open_database: OpenDatabase
) -> RoleRow | None:
    """Commit NOLOGIN and return the role; None when there is no such role.

    A user may change their own password, and so hold the role's row locked in a transaction that
    they leave open (the caller tries again under ``holders_cut``) or prepare (given up here).
    """
    statement = sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role))
    try:
        await connection.execute(statement)
    except errors.UndefinedObject:
        return None
    except errors.LockNotAvailable:
        for row in await read_back.read_roles(connection, role):
            await _give_up_prepared(connection, row, open_database)
        raise
    return next(iter(await read_back.read_roles(connection, role)), None)


async def is_being_made(connection: Connection, role: str) -> bool:
    """Say whether ``role`` appeared meanwhile; wait for a transaction that is making it.

    Its CREATE ROLE cannot be seen before it commits, but its name is taken.

    Raises:
        psycopg.errors.LockNotAvailable: when that transaction takes too long.
    """
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    except (errors.DuplicateObject, errors.UniqueViolation):
        return True
    return False


async def cut_sessions(connection: Connection, role: int) -> None:
    """End every session of the role with that number; return when none is left or can appear.

    Raises:
        RetryLaterError: when one does not go in time.
    """
    began = time.monotonic()
    pause = _FIRST_PAUSE
    look = await _look(connection, role)
    at_first = frozenset(look.starting)
    while True:
        waited = time.monotonic() - began
        unsure = list(at_first & look.starting.keys())
        if waited > _SETTLE:
            unsure = [vxid for vxid in unsure if look.starting[vxid]]
        if not look.sessions and not unsure:
            return
        if waited > _PATIENCE:
            raise RetryLaterError(f"{look.sessions} sessions have not ended yet")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
        look = await _look(connection, role)


async def _look(connection: Connection, role: int) -> _Look:
    cursor = await connection.execute(
        sql.SQL("{}; {}").format(_STARTING, _CUT.format(role=sql.Literal(role)))
    )
    transactions = await cursor.fetchall()
    cursor.nextset()
    listed = await cursor.fetchall()
    known = {pid for pid, _, _ in listed}
    return _Look(
        starting={vxid: checked for vxid, pid, checked in transactions if pid not in known},
        sessions=sum(ours for _, ours, _ in listed if ours),
    )


async def remove_role(connection: Connection, row: RoleRow, open_database: OpenDatabase) -> None:
    """Drop a role that has no session, with whatever belongs to it anywhere in the cluster."""
    drop = sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(row.name))
    try:
        await connection.execute(drop)
    except (errors.DependentObjectsStillExist, errors.LockNotAvailable):
        await _remove_belongings(connection, row, open_database)
        await connection.execute(drop)


async def confirm_gone(connection: Connection, row: RoleRow) -> None:
    """Read the target back (law 4).

    Raises:
        RetryLaterError: when the role is there again.
    """
    if await read_back.read_roles(connection, row.name):
        raise RetryLaterError(f"role {row.name} is still there")
    await cut_sessions(connection, row.oid)


@asynccontextmanager
async def holders_cut(connection: Connection, open_database: OpenDatabase) -> AsyncIterator[None]:
    """While inside, cut every session of a grant that ``connection`` waits for.

    The user of a grant may hold a row, a role or an advisory lock that we need. We wait in the
    server's queue meanwhile, so a user who logs in again and again comes after us.
    """
    watching = await open_database(connection.info.dbname)

    async def watch() -> None:
        cut = _CUT_HOLDERS.format(sql.Literal(connection.info.backend_pid))
        while True:
            await watching.execute(cut)
            await asyncio.sleep(_LONGEST_PAUSE)

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await watching.close()


async def _remove_belongings(
    connection: Connection, row: RoleRow, open_database: OpenDatabase
) -> None:
    """Give up prepared transactions, drop owned objects and revoke rights, in every database.

    What a grantee could make (large objects, temporary tables, what PUBLIC may create) has no
    owner to go to, so it is dropped.
    """
    await _give_up_prepared(connection, row, open_database)
    await connection.execute(_act_as(row.name, connection))
    here = connection.info.dbname
    cursor = await connection.execute(
        sql.SQL(
            "SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid"
            " WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = {}"
            " UNION SELECT current_database()"
        ).format(row.oid)
    )
    for (database,) in await cursor.fetchall():
        async with _in_database(connection, here, database, open_database) as there:
            await _drop_owned(there, row.name)


async def _give_up_prepared(
    connection: Connection, row: RoleRow, open_database: OpenDatabase
) -> None:
    """Roll back the role's prepared transactions, which hold locks without a session."""
    cursor = await connection.execute(
        sql.SQL("SELECT gid, database FROM pg_prepared_xacts WHERE owner = {}").format(
            sql.Literal(row.name)
        )
    )
    prepared = await cursor.fetchall()
    if prepared:
        await connection.execute(_act_as(row.name, connection))
    for gid, database in prepared:
        async with _in_database(
            connection, connection.info.dbname, database, open_database
        ) as there:
            await there.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(row.name)))
            try:
                await there.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))
            finally:
                await there.execute("RESET ROLE")


async def _drop_owned(connection: Connection, role: str) -> None:
    await connection.execute(
        sql.SQL("SELECT pg_advisory_xact_lock({}); DROP OWNED BY {}").format(
            GRANT_LOCK, sql.Identifier(role)
        )
    )


@asynccontextmanager
async def _in_database(
    connection: Connection, here: str, database: str, open_database: OpenDatabase
) -> AsyncIterator[Connection]:
    """Give ``connection`` itself, or one to another database of the cluster."""
    if database == here:
        yield connection
        return
    other = await open_database(database)
    try:
        yield other
    finally:
        await other.close()


def _act_as(role: str, connection: Connection) -> sql.Composed:
    """Become a member of ``role``, which DROP OWNED asks of all but superusers."""
    since = connection.info.server_version >= SET_OPTION_SINCE
    options = "WITH INHERIT TRUE, SET TRUE" if since else ""
    return sql.SQL("GRANT {} TO CURRENT_USER {}").format(sql.Identifier(role), sql.SQL(options))


async def tidy_scope_roles(
    connection: Connection, target: str | None, only: str | None = None
) -> None:
    """Remove scope roles of this target and database that no grant uses (or just ``only``).

    A scope role that cannot be removed, because somebody gave it something by hand, is left: nobody
    is in it and nobody can log in as it.
    """
    pattern = (only or SCOPE_MARK + "%").replace("_", r"\_")
    unused = _SCOPE_USERS.format(pattern=sql.Literal(pattern))
    for name, comment in await (await connection.execute(unused)).fetchall():
        mark = ScopeMark.from_comment(comment)
        if mark is None or mark.database != connection.info.dbname:
            continue
        if target not in (None, mark.target):
            continue
        try:
            await _drop_scope_role(connection, name)
        except (errors.DependentObjectsStillExist, errors.InsufficientPrivilege):
            continue


async def _drop_scope_role(connection: Connection, name: str) -> None:
    async with connection.transaction():
        await connection.execute(sql.SQL("SELECT pg_advisory_xact_lock({})").format(lock_key(name)))
        again = _SCOPE_USERS.format(pattern=sql.Literal(name.replace("_", r"\_")))
        if await (await connection.execute(again)).fetchone() is None:
            return  # somebody began to use it, or removed it
        await connection.execute(_act_as(name, connection))
        await _drop_owned(connection, name)
        await connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


async def cut_strays(connection: Connection) -> int:
    """End every session whose role does not exist any more; return how many were found."""
    sessions = await read_back.read_sessions(connection)
    existing = await read_back.existing_roles(connection, (found.role for found in sessions))
    strays = [found for found in sessions if found.role not in existing]
    for role in {stray.role for stray in strays}:
        await cut_sessions(connection, role)
    return len(strays)
