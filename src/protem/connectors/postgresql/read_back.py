"""Reading what is there: marked roles, what they can do, and their sessions.

Here: the catalogue queries and their rows as values. Not here: what to make of them (observing)
or any change.

Rights are found through ``pg_shdepend``, where the server records every object whose access list
names a role, in an index by role: the cost grows with what the role holds, not with the database,
and rights of a kind that we never give are found too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import sql

from protem.connectors.postgresql.connections import Connection
from protem.domain.errors import RefusedError
from protem.domain.identifiers import MARK
from protem.domain.scopes import Privilege, Scope

_ROLES = sql.SQL(r"""
SELECT r.oid::bigint, r.rolname, r.rolcanlogin,
       CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil END,
       d.description,
       ARRAY(SELECT p.rolname::text FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.roleid
             WHERE m.member = r.oid ORDER BY 1),
       ARRAY(SELECT p.rolname::text FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.member
             WHERE m.roleid = r.oid AND p.rolname <> current_user ORDER BY 1),
       r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
FROM pg_roles r
LEFT JOIN pg_shdescription d
    ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
WHERE r.rolname LIKE {pattern}
ORDER BY r.rolname
""")

_HELD = sql.SQL("""
WITH held AS (
    SELECT refobjid AS role, dbid, classid, objid, objsubid,
           dbid = 0 OR dbid = here.oid AS local, here.oid AS here
    FROM pg_shdepend, (SELECT oid FROM pg_database WHERE datname = current_database()) AS here
    WHERE refclassid = 'pg_authid'::regclass AND deptype = 'a' AND refobjid = ANY ({roles}::oid[])
), listed AS (
    SELECT h.role, CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END AS kind,
           ARRAY[n.nspname, c.relname]::text[] AS path, a.attname::text AS part,
           CASE WHEN h.objsubid = 0 THEN c.relacl ELSE a.attacl END AS acl
    FROM held h JOIN pg_class c ON c.oid = h.objid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = h.objsubid AND h.objsubid <> 0
    WHERE h.local AND h.classid = 'pg_class'::regclass
    UNION ALL
    SELECT h.role, 'schema', ARRAY[n.nspname]::text[], NULL, n.nspacl
    FROM held h JOIN pg_namespace n ON n.oid = h.objid
    WHERE h.local AND h.classid = 'pg_namespace'::regclass
    UNION ALL
    SELECT h.role, 'function',
           ARRAY[n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)]::text[], NULL,
           p.proacl
    FROM held h JOIN pg_proc p ON p.oid = h.objid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE h.local AND h.classid = 'pg_proc'::regclass
    UNION ALL
    SELECT h.role, 'database', ARRAY[d.datname]::text[], NULL, d.datacl
    FROM held h JOIN pg_database d ON d.oid = h.objid AND d.oid = h.here
    WHERE h.classid = 'pg_database'::regclass
)
SELECT l.role::bigint, l.kind, l.path, l.part, x.privilege_type, x.is_grantable
FROM listed l, LATERAL aclexplode(l.acl) AS x WHERE x.grantee = l.role
UNION ALL
SELECT h.role::bigint, 'other',
       ARRAY[CASE WHEN h.local THEN pg_describe_object(h.classid, h.objid, h.objsubid)
             ELSE 'an object of another database' END], NULL, 'a right', false
FROM held h
WHERE NOT h.local OR h.classid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass,
          'pg_proc'::regclass, 'pg_database'::regclass)
   OR h.classid = 'pg_database'::regclass AND h.objid <> h.here
""")

_ROUTINES = sql.SQL("""
SELECT p.oid::regprocedure::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = {schema} AND p.proname = {name}
  AND pg_get_function_identity_arguments(p.oid) = {arguments}
""")

_SESSIONS = sql.SQL("""
SELECT a.pid, a.usesysid::bigint, a.backend_start, coalesce(a.client_addr::text, '')
FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.usesysid IS NOT NULL
  AND (r.oid IS NULL OR r.rolname LIKE {pattern})
""")

_EVERY_MARKED = sql.Literal(MARK.replace("_", r"\_") + "%")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """One marked role as the catalogue has it."""

    oid: int
    name: str
    can_login: bool
    valid_until: datetime | None
    comment: str | None
    member_of: tuple[str, ...]
    members: tuple[str, ...]
    is_powerful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a role itself holds.

    Attributes:
        scope: rights in our vocabulary's shape.
        beyond: the rest, for a person: rights that may be passed on, and other kinds of objects.
    """

    scope: Scope = field(default_factory=Scope)
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One session of a marked role, or of a role that no longer exists."""

    pid: int
    role: int
    started_at: datetime | None
    origin: str


async def read_clock(connection: Connection) -> datetime:
    """Return the target's own time."""
    cursor = await connection.execute("SELECT clock_timestamp()")
    ((at,),) = await cursor.fetchall()
    moment: datetime = at
    return moment


async def read_roles(connection: Connection, name: str | None = None) -> tuple[RoleRow, ...]:
    """Return all marked roles, or the one called ``name``."""
    pattern = _EVERY_MARKED if name is None else sql.Literal(name.replace("_", r"\_"))
    cursor = await connection.execute(_ROLES.format(pattern=pattern))
    return tuple(
        RoleRow(
            oid=oid,
            name=found,
            can_login=can_login,
            valid_until=valid_until,
            comment=comment,
            member_of=tuple(member_of),
            members=tuple(members),
            is_powerful=is_powerful,
        )
        for oid, found, can_login, valid_until, comment, member_of, members, is_powerful in (
            await cursor.fetchall()
        )
    )


async def read_held(connection: Connection, roles: Sequence[int]) -> Mapping[int, Held]:
    """Return what each role of ``roles`` (by oid) holds itself."""
    if not roles:
        return {}
    cursor = await connection.execute(_HELD.format(roles=sql.Literal(list(roles))))
    privileges: dict[int, list[Privilege]] = defaultdict(list)
    beyond: dict[int, list[str]] = defaultdict(list)
    for role, kind, path, part, action, is_grantable in await cursor.fetchall():
        if kind == "other":
            beyond[role].append(path[0])
            continue
        privileges[role].append(Privilege(kind=kind, path=tuple(path), action=action, part=part))
        if is_grantable:
            beyond[role].append(f"the right to pass on {action}")
    return {
        role: Held(scope=Scope(privileges[role]), beyond=tuple(sorted(beyond[role])))
        for role in roles
    }


async def read_routines(
    connection: Connection, paths: Iterable[tuple[str, ...]]
) -> Mapping[tuple[str, ...], str]:
    """Return how the server itself writes each function.

    Raises:
        RefusedError: when there is no such function.
    """
    found = {}
    for path in paths:
        schema, name, arguments = (sql.Literal(part) for part in path)
        query = _ROUTINES.format(schema=schema, name=name, arguments=arguments)
        row = await (await connection.execute(query)).fetchone()
        if row is None:
            raise RefusedError(f"there is no function {'.'.join(path[:2])!a} of that kind")
        found[path] = row[0]
    return found


async def read_sessions(connection: Connection) -> tuple[SessionRow, ...]:
    """Return sessions of marked roles, and of roles that do not exist any more.

    A role made while this looked could seem not to exist: ``existing_roles`` settles it.
    """
    cursor = await connection.execute(_SESSIONS.format(pattern=_EVERY_MARKED))
    return tuple(
        SessionRow(pid=pid, role=role, started_at=started_at, origin=origin)
        for pid, role, started_at, origin in await cursor.fetchall()
    )


async def existing_roles(connection: Connection, oids: Iterable[int]) -> Mapping[int, str]:
    """Return the names of those roles of ``oids`` that exist now."""
    wanted = sorted(set(oids))
    if not wanted:
        return {}
    cursor = await connection.execute(
        sql.SQL("SELECT oid::bigint, rolname FROM pg_roles WHERE oid = ANY ({}::oid[])").format(
            sql.Literal(wanted)
        )
    )
    return dict(await cursor.fetchall())
