"""From catalogue rows to an observation: whose each marked role is, and how it differs.

Here: attribution, deadlines and deviations. Not here: reading, or acting.

Whose role: its comment says. Where the comment is lost, the comment of its scope role says. Where
both are lost, a role past its deadline is nobody's and may be ended by anyone; one that still runs
is reported without its grant, so that no target ends what another target's grant may explain.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from protem.connectors.postgresql import read_back
from protem.connectors.postgresql.connections import Connection
from protem.connectors.postgresql.marks import SCOPE_MARK, GrantMark, ScopeMark, grant_id_of
from protem.connectors.postgresql.read_back import Held, RoleRow
from protem.connectors.postgresql.scope_grants import describe
from protem.domain.instants import format_instant
from protem.domain.observations import (
    LiveSession,
    MarkedPrivilege,
    Observation,
    StandingPrivilege,
)
from protem.domain.scopes import Scope

_STANDING = sql.SQL(r"""
SELECT r.rolname, r.rolsuper,
       ARRAY(SELECT p.rolname::text FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.roleid
             WHERE m.member = r.oid AND p.rolname !~ '^protem_([0-7]|scope_)' ORDER BY 1),
       (SELECT count(*) FROM pg_shdepend s
        WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
          AND s.deptype IN ('a', 'o')
          AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))),
       coalesce(a.sessions, 0), a.since
FROM pg_roles r
LEFT JOIN (SELECT usesysid, count(*) AS sessions, min(backend_start) AS since
           FROM pg_stat_activity WHERE datid IS NOT NULL GROUP BY usesysid) a ON a.usesysid = r.oid
WHERE r.rolcanlogin AND r.rolname !~ '^protem_[0-7]' AND r.rolname <> current_user
ORDER BY r.rolname
""")
_REMOVAL = sql.SQL(
    "ALTER ROLE {role} NOLOGIN; "
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {name}; "
    "DROP OWNED BY {role}; DROP ROLE {role}; "
    "-- before the last, where it holds something in another database, also there: DROP OWNED"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """All that was read in one look."""

    at: datetime
    target: str | None
    database: str
    scope_roles: Mapping[str, RoleRow]
    held: Mapping[int, Held]

    def is_here(self, target: str, database: str) -> bool:
        """Say whether a mark is of what was looked at; no target means all of the database."""
        return database == self.database and self.target in (None, target)


async def observe(connection: Connection, target: str | None) -> Observation:
    """Return every marked role of this target and database, and every session of one or a stray."""
    at = await read_back.read_clock(connection)  # first: all that follows is as of then or later
    rows = await read_back.read_roles(connection)
    sessions = await read_back.read_sessions(connection)
    existing = await read_back.existing_roles(connection, (found.role for found in sessions))
    held = await read_back.read_held(connection, [row.oid for row in rows])
    seen = _Seen(
        at=at,
        target=target,
        database=connection.info.dbname,
        scope_roles={row.name: row for row in rows if row.name.startswith(SCOPE_MARK)},
        held=held,
    )
    ours = [row for row in rows if grant_id_of(row.name) is not None]
    privileges = await asyncio.to_thread(_privileges, ours, seen)  # seconds, for 100,000 of them
    names = {privilege.name for privilege in privileges}
    return Observation(
        at=seen.at,
        privileges=privileges,
        sessions=tuple(
            LiveSession(
                privilege=existing.get(found.role, ""),
                handle=str(found.pid),
                started_at=found.started_at,
                origin=found.origin,
            )
            for found in sessions
            if found.role not in existing or existing[found.role] in names
        ),
    )


def _privileges(rows: Sequence[RoleRow], seen: _Seen) -> tuple[MarkedPrivilege, ...]:
    found = []
    for row in rows:
        mark = GrantMark.from_comment(row.comment)
        owner = _owner(row, mark, seen)
        if owner is not None and not seen.is_here(*owner):
            continue
        is_past = row.valid_until is not None and row.valid_until <= seen.at
        is_ours = owner is not None or is_past
        deadlines = [row.valid_until] if row.valid_until else []
        deadlines += [mark.expires_at] if mark else []
        scopes = [seen.scope_roles[name] for name in row.member_of if name in seen.scope_roles]
        found.append(
            MarkedPrivilege(
                name=row.name,
                grant_id=grant_id_of(row.name) if is_ours else None,
                expires_at=min(deadlines, default=None),
                usable=row.can_login and not is_past,
                scope=_scope(row, scopes, seen),
                deviation="; ".join(_deviations(row, mark, scopes, seen)),
            )
        )
    return tuple(found)


def _owner(row: RoleRow, mark: GrantMark | None, seen: _Seen) -> tuple[str, str] | None:
    """Return target and database, from the role's comment or else its scope role's."""
    if mark is not None:
        return mark.target, mark.database
    for name in row.member_of:
        scope_role = seen.scope_roles.get(name)
        scope_mark = _scope_mark(scope_role.comment) if scope_role else None
        if scope_mark is not None:
            return scope_mark.target, scope_mark.database
    return None


def _scope(row: RoleRow, scopes: Sequence[RoleRow], seen: _Seen) -> Scope:
    scope = seen.held[row.oid].scope
    for scope_role in scopes:
        scope |= seen.held[scope_role.oid].scope
    return scope


@functools.lru_cache(maxsize=1_000)
def _scope_mark(comment: str | None) -> ScopeMark | None:
    """Read a mark that many grants share once."""
    return ScopeMark.from_comment(comment)


def _deviations(
    row: RoleRow, mark: GrantMark | None, scopes: Sequence[RoleRow], seen: _Seen
) -> list[str]:
    found = []
    if mark is None:
        found.append("its mark is lost")
    if row.valid_until is None:
        found.append("it lost its deadline (VALID UNTIL)")
    elif mark is not None and row.valid_until != mark.expires_at:
        found.append(f"its deadline was moved from {format_instant(mark.expires_at)}")
    if row.is_powerful:
        found.append("it has an attribute such as SUPERUSER or CREATEROLE")
    expected = {scope_role.name for scope_role in scopes}
    found += [f"it is a member of {name!a}" for name in row.member_of if name not in expected]
    found += [f"{name!a} was made a member of it" for name in row.members]
    if len(scopes) != 1:
        found.append(f"it has {len(scopes)} scope roles instead of one")
    direct = seen.held[row.oid]
    found += [f"it holds {describe(privilege)} itself" for privilege in direct.scope]
    found += [f"it holds {beyond} itself" for beyond in direct.beyond]
    for scope_role in scopes:
        found += _scope_deviations(scope_role, mark, seen.held[scope_role.oid])
    return found


def _scope_deviations(scope_role: RoleRow, mark: GrantMark | None, held: Held) -> list[str]:
    scope_mark = _scope_mark(scope_role.comment)
    found = [f"its scope holds {beyond}" for beyond in held.beyond]
    found += [f"its scope role is a member of {name!a}" for name in scope_role.member_of]
    if scope_mark is not None:
        expected = scope_mark.scope.privileges
        found += [f"it also holds {describe(p)}" for p in held.scope if p not in expected]
        found += [f"it lacks {describe(p)}" for p in scope_mark.scope if p not in held.scope]
    if mark is not None and (scope_mark is None or mark.scope_digest != scope_mark.scope_digest):
        found.append("its scope role is not the one of its scope")
    return found


async def standing_privileges(connection: Connection) -> tuple[StandingPrivilege, ...]:
    """Return unmarked login roles that are superuser, or hold rights or memberships here.

    The server keeps no record of logins: only use at this moment can be told, and since when only
    to an administrator who may read all statistics.
    """
    rows = await (await connection.execute(_STANDING)).fetchall()
    found = []
    for name, is_superuser, member_of, count, sessions, since in rows:
        facts = ["is a superuser"] if is_superuser else []
        facts += [f"is a member of {', '.join(map(ascii, member_of))}"] if member_of else []
        facts += [f"owns or holds rights on {count} objects"] if count else []
        if facts:
            found.append(
                StandingPrivilege(
                    name=name,
                    message=f"can log in at any time and {' and '.join(facts)}",
                    sessions=sessions,
                    in_use_since=since,
                    removal=f"ALTER ROLE {_quoted(name)} NOLOGIN;",
                )
            )
    return tuple(found)


def removal_by_hand(name: str) -> str:
    """Return what a superuser types in the database to end and remove the role ``name``.

    What it holds in other databases keeps it from being dropped; only a session there removes that.
    """
    return _REMOVAL.format(role=sql.Identifier(name), name=sql.Literal(name)).as_string(None)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
