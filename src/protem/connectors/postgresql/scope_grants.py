"""From a scope to GRANT statements, with every name composed and none pasted.

Here: the vocabulary (which kinds, actions and parts exist), its check, and the statements. Not
here: running them, or reading rights back (read_back).

Vocabulary: ``database`` (name) CONNECT; ``schema`` (name) USAGE; ``table`` (schema, name) SELECT,
INSERT, UPDATE, DELETE, the first three also by column; ``sequence`` (schema, name) USAGE, SELECT,
UPDATE; ``function`` (schema, name, identity arguments) EXECUTE.

Invariants: whatever is not in the vocabulary is refused, never passed on; so is a name that the
server would shorten, because it could then mean another object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from psycopg import sql

from protem.domain.errors import RefusedError
from protem.domain.scopes import Privilege, Scope

_MAX_NAME_BYTES = 63
_ACTIONS: Mapping[str, frozenset[str]] = {
    "database": frozenset({"CONNECT"}),
    "schema": frozenset({"USAGE"}),
    "table": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"}),
    "sequence": frozenset({"USAGE", "SELECT", "UPDATE"}),
    "function": frozenset({"EXECUTE"}),
}
_PATH_LENGTH: Mapping[str, int] = {
    "database": 1,
    "schema": 1,
    "table": 2,
    "sequence": 2,
    "function": 3,
}
_BY_COLUMN = frozenset({"SELECT", "INSERT", "UPDATE"})

Routines = Mapping[tuple[str, ...], str]
"""Function paths, and how the server itself writes each (``regprocedure``)."""


def check_scope(scope: Scope, database: str) -> None:
    """Return if every privilege is in the vocabulary and in this database.

    Raises:
        RefusedError: naming the first that is not.
    """
    for privilege in scope:
        if privilege.action not in _ACTIONS.get(privilege.kind, ()):
            raise _not_granted(privilege, "PostgreSQL targets know no such privilege")
        if len(privilege.path) != _PATH_LENGTH[privilege.kind]:
            raise _not_granted(privilege, "its path has the wrong length")
        if privilege.kind == "database" and privilege.path != (database,):
            raise _not_granted(privilege, "this target is another database")
        by_column = privilege.kind == "table" and privilege.action in _BY_COLUMN
        if privilege.part is not None and not by_column:
            raise _not_granted(privilege, "it cannot be given by column")
        _check_names(privilege)


def function_paths(scope: Scope) -> list[tuple[str, ...]]:
    """Return the paths of the functions in ``scope``, which only the server can spell."""
    return [privilege.path for privilege in scope if privilege.kind == "function"]


def grant_statements(scope: Iterable[Privilege], role: str, routines: Routines) -> sql.Composed:
    """Return one message that gives ``role`` all of ``scope``: one GRANT an object.

    Args:
        scope: checked privileges.
        role: a role of ours.
        routines: the server's spelling of every function in ``scope``.
    """
    objects: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = defaultdict(dict)
    for privilege in scope:
        columns = objects[privilege.kind, privilege.path].setdefault(privilege.action, [])
        if privilege.part is not None:
            columns.append(privilege.part)
    grantee = sql.Identifier(role)
    return sql.SQL("; ").join(
        sql.SQL("GRANT {} ON {} TO {}").format(
            sql.SQL(", ").join(_action(*action) for action in actions.items()),
            _object(kind, path, routines),
            grantee,
        )
        for (kind, path), actions in objects.items()
    )


def _action(action: str, columns: list[str]) -> sql.Composable:
    words = sql.SQL(action)
    if not columns:
        return words
    return sql.SQL("{} ({})").format(words, sql.SQL(", ").join(map(sql.Identifier, columns)))


def _object(kind: str, path: tuple[str, ...], routines: Routines) -> sql.Composable:
    match kind:
        case "database":
            return sql.SQL("DATABASE {}").format(sql.Identifier(*path))
        case "schema":
            return sql.SQL("SCHEMA {}").format(sql.Identifier(*path))
        case "sequence":
            return sql.SQL("SEQUENCE {}").format(sql.Identifier(*path))
        case "function":
            spelled = sql.SQL(routines[path])  # the server quoted it
            return sql.SQL("ROUTINE {}").format(spelled)
        case _:
            return sql.SQL("TABLE {}").format(sql.Identifier(*path))


def _check_names(privilege: Privilege) -> None:
    names = [*privilege.path, *([] if privilege.part is None else [privilege.part])]
    if privilege.kind == "function":
        names = names[:2]  # the arguments are compared with the catalogue, never sent as a name
    for name in names:
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            raise _not_granted(privilege, "a name is not valid Unicode") from None
        if not 1 <= length <= _MAX_NAME_BYTES or "\0" in name:
            raise _not_granted(privilege, f"a name is not 1 to {_MAX_NAME_BYTES} bytes without NUL")


def _not_granted(privilege: Privilege, why: str) -> RefusedError:
    return RefusedError(f"{describe(privilege)} is not granted: {why}")


def describe(privilege: Privilege) -> str:
    """Write a privilege for a person; hostile names are escaped."""
    path = ".".join(ascii(name)[1:-1] for name in privilege.path)
    part = "" if privilege.part is None else f"({ascii(privilege.part)[1:-1]})"
    return f"{ascii(privilege.action)[1:-1]}{part} on {ascii(privilege.kind)[1:-1]} {path}"[:300]
