"""Trying a statement with exactly a scope, in one transaction that is always rolled back.

Here: the role that never exists for anybody else, the fence around it, the limits, the count. Not
here: whether the statement's functions are fit for it (planner), and connections.

Invariants:
- Nothing is ever committed: not the role, not its rights, not what the statement did. A connection
  that is cut, or a process that is killed, ends the transaction all the same.
- The statement runs inside a SECURITY DEFINER function that the role itself owns. There the server
  refuses SET ROLE, RESET ROLE and SET SESSION AUTHORIZATION to whatever code it reaches, and COMMIT
  as well; without that fence a trigger could step back into the administrator.
- The connection is opened for this and closed after it: nothing of a session outlives it.
- No message of the server is passed on: it may hold a value of a row.

Source: ``utils/misc/guc.c`` (``GUC_NOT_WHILE_SEC_REST``), ``utils/fmgr/fmgr.c``
(``fmgr_security_definer``), versions 14 to 18.
"""

from __future__ import annotations

import json
import math
import uuid
from typing import Any

import psycopg
from psycopg import generators, pq, sql

from protem.connectors.postgresql import read_back
from protem.connectors.postgresql.connections import Connection
from protem.connectors.postgresql.failures import is_lost
from protem.connectors.postgresql.marks import SCOPE_MARK, ScopeMark
from protem.connectors.postgresql.provisioning import ensure_scope_role
from protem.domain.canonical_json import MAX_SAFE_INTEGER
from protem.domain.errors import RefusedError, RetryLaterError, TargetError
from protem.domain.evidence import EvidenceKind, Exhibit

_LIMITS = sql.SQL("""
SET LOCAL statement_timeout = '3s';
SET LOCAL lock_timeout = '500ms';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL search_path TO DEFAULT
""")
_FUNCTION = """
CREATE FUNCTION pg_temp.protem_rehearsal(statement text, OUT touched bigint, OUT plan json)
LANGUAGE plpgsql SECURITY DEFINER AS $protem$
DECLARE rows_of refcursor;
BEGIN {body} END $protem$
"""
_BODIES = {
    "explain": "EXECUTE statement INTO plan;",
    "count": (
        "OPEN rows_of FOR EXECUTE statement; MOVE FORWARD ALL FROM rows_of;"
        " GET DIAGNOSTICS touched = ROW_COUNT;"
    ),
    "change": "EXECUTE statement; GET DIAGNOSTICS touched = ROW_COUNT;",
}
"""Rows are counted by moving over them: none is kept, however many there are."""

_HIDDEN_WORK = sql.SQL("""
WITH RECURSIVE member (oid, action) AS (
    SELECT c.oid, wanted.action
    FROM unnest({schemas}::text[], {names}::text[], {actions}::text[])
        AS wanted (schema, name, action)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
    UNION
    SELECT i.inhrelid, m.action FROM pg_inherits i JOIN member m ON i.inhparent = m.oid
), written AS (SELECT oid, action FROM member WHERE action <> 'SELECT')
SELECT 'a trigger of one of its tables would run' FROM pg_trigger
    WHERE tgrelid IN (SELECT oid FROM written) AND NOT tgisinternal AND tgenabled <> 'D'
UNION ALL SELECT 'it writes through a view or to another server' FROM pg_class
    WHERE oid IN (SELECT oid FROM written) AND relkind NOT IN ('r', 'p')
UNION ALL SELECT 'a rewrite rule of one of its tables would run' FROM pg_rewrite
    WHERE ev_class IN (SELECT oid FROM written)
UNION ALL SELECT 'a foreign key would change rows of other tables with it'
    FROM pg_constraint c JOIN written w ON w.oid = c.confrelid
    WHERE c.contype = 'f' AND (w.action = 'DELETE' AND c.confdeltype NOT IN ('a', 'r')
        OR w.action = 'UPDATE' AND c.confupdtype NOT IN ('a', 'r'))
UNION ALL SELECT 'row-level security decides by who asks' FROM pg_class
    WHERE oid IN (SELECT oid FROM member) AND relrowsecurity
UNION ALL SELECT 'one of its tables is of another server' FROM pg_class
    WHERE oid IN (SELECT oid FROM member) AND relkind = 'f'
LIMIT 1
""")


async def rehearse(
    connection: Connection, mark: ScopeMark, statement: str, kind: EvidenceKind
) -> Exhibit:
    """Try ``statement`` with the scope of ``mark`` and undo everything.

    Raises:
        RefusedError: it cannot be tried, or the administrator role may not.
        RetryLaterError: it took too long, or something was in the way.
    """
    try:
        async with connection.transaction(force_rollback=True):
            return await _try(connection, mark, statement, kind)
    except psycopg.Error as error:
        raise _quiet(error, connection) from None


async def _try(
    connection: Connection, mark: ScopeMark, statement: str, kind: EvidenceKind
) -> Exhibit:
    name = f"{SCOPE_MARK}{uuid.uuid4().hex}"
    role = sql.Identifier(name)
    await ensure_scope_role(connection, mark, name)
    if kind is EvidenceKind.DRY_RUN:
        await _refuse_hidden_work(connection, mark)
    at = await read_back.read_clock(connection)
    await connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
    await _allow_functions(connection, role, mark.database)
    await connection.execute(_LIMITS)
    await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
    answers = await _is_one_query(connection, statement)
    body = "explain" if kind is EvidenceKind.EXPLAIN else "count" if answers else "change"
    await connection.execute(_FUNCTION.format(body=_BODIES[body]))
    await connection.execute("RESET ROLE")
    text = f"EXPLAIN (FORMAT JSON) {statement}" if body == "explain" else statement
    cursor = await connection.execute("SELECT * FROM pg_temp.protem_rehearsal(%s)", [text])
    ((touched, found),) = await cursor.fetchall()
    if kind is EvidenceKind.DRY_RUN:
        return Exhibit(kind=kind, at=at, rows=int(touched))
    return Exhibit(kind=kind, at=at, **_estimates(found))


async def _refuse_hidden_work(connection: Connection, mark: ScopeMark) -> None:
    """Refuse where a count would hide what else happens, or unknown code would run.

    Looked at in the transaction that runs the statement: the planner looked some time ago.
    """
    tables = sorted({(*one.path, one.action) for one in mark.scope if one.kind == "table"})
    schemas, names, actions = zip(*tables, strict=True) if tables else ((), (), ())
    query = _HIDDEN_WORK.format(
        schemas=sql.Literal(list(schemas)),
        names=sql.Literal(list(names)),
        actions=sql.Literal(list(actions)),
    )
    row = await (await connection.execute(query)).fetchone()
    if row is not None:
        raise RefusedError(row[0])


async def _allow_functions(connection: Connection, role: sql.Identifier, database: str) -> None:
    """A temporary function needs TEMPORARY, which PUBLIC holds unless somebody took it."""
    query = sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(database), role)
    await connection.execute(query)


async def _is_one_query(connection: Connection, statement: str) -> bool:
    """Let the server analyse the statement alone; say whether it returns rows.

    Raises:
        psycopg.Error: it is several statements, or the role may not see what it names.
    """
    pgconn = connection.pgconn

    def message(send: Any, *content: bytes) -> Any:
        send(*content)
        return (yield from generators.execute(pgconn))

    for call in (
        message(pgconn.send_prepare, b"", statement.encode()),
        message(pgconn.send_describe_prepared, b""),
    ):
        (result, *_) = await connection.wait(call)
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    if result.nparams:
        raise RefusedError("it has parameters")
    return bool(result.nfields)


def _estimates(found: Any) -> dict[str, Any]:
    """Return what an EXPLAIN in JSON says at its top: the estimates, and the whole as text."""
    plan = found[0]["Plan"]
    source = plan["Plans"][0] if plan["Node Type"] == "ModifyTable" and "Plans" in plan else plan
    return {
        "rows": min(math.ceil(source["Plan Rows"]), MAX_SAFE_INTEGER),
        "cost": min(math.ceil(plan["Total Cost"]), MAX_SAFE_INTEGER),
        "detail": json.dumps(found, indent=1, ensure_ascii=False),
    }


def _quiet(error: psycopg.Error, connection: Connection) -> TargetError:
    """Return what happened without the server's own words."""
    if is_lost(error, connection):
        return RetryLaterError("the connection to the database was lost")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return RetryLaterError("it took longer than a rehearsal may")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return RetryLaterError("somebody else holds a lock that it needs; try again")
    said = f"the database refuses it with {error.sqlstate} ({type(error).__name__})"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return RefusedError(f"{said}: docs/connectors/postgresql.md says what evidence needs")
    return RefusedError(said)
