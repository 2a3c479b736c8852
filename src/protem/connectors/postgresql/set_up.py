"""The set-up of ``set_up.sql`` as statements, for those who have no psql at hand.

Here: the same rights, composed for any client. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

_PER_SCHEMA = (
    "GRANT USAGE ON SCHEMA {schema} TO {role} WITH GRANT OPTION",
    (
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        " WITH GRANT OPTION"
    ),
    "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role} WITH GRANT OPTION",
    "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA {schema} TO {role} WITH GRANT OPTION",
)


def setup_statements(
    administrator: str, database: str, schemas: Sequence[str], *, create: bool = True
) -> tuple[sql.Composed, ...]:
    """Return the statements that make the administrator role of ``database``, in order.

    Run them as a superuser connected to that database; set the password yourself.

    Args:
        administrator: the role's name.
        database: the target.
        schemas: whose present objects may be granted: the ceiling.
        create: False when the role exists and only its rights are brought up to date.
    """
    role = sql.Identifier(administrator)
    statements = [
        sql.SQL("GRANT pg_signal_backend TO {}").format(role),
        sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {} WITH GRANT OPTION").format(
            sql.Identifier(database), role
        ),
    ]
    if create:
        attributes = "LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS"
        statements.insert(0, sql.SQL("CREATE ROLE {} {}").format(role, sql.SQL(attributes)))
    for schema in schemas:
        statements += [
            sql.SQL(statement).format(schema=sql.Identifier(schema), role=role)
            for statement in _PER_SCHEMA
        ]
    return tuple(statements)
