"""A scope as GRANT statements: what ``protem plan -o sql --to ROLE`` prints.

Here: pure text. Not here: executing them (the connector makes its own), or revoking.

Invariants:
- Every name is quoted by psycopg's rules, whatever characters it holds.
- A function's identity arguments, which are text of the server's own, are printed only when they
  are names, types and separators, so that nothing can hide in them.
- What everyone holds already is left out; one statement an object.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from psycopg import sql

from protem.domain.errors import InvalidError
from protem.domain.scopes import Privilege, Scope
from protem.planners.postgresql import lexer
from protem.planners.postgresql.lexer import TokenKind

_KEYWORDS = {
    "database": "DATABASE",
    "schema": "SCHEMA",
    "table": "TABLE",
    "sequence": "SEQUENCE",
    "function": "FUNCTION",
}
_PATH_LENGTHS = {"database": 1, "schema": 1, "table": 2, "sequence": 2, "function": 3}
_ACTIONS = {
    "database": {"CONNECT"},
    "schema": {"USAGE"},
    "table": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "sequence": {"USAGE", "SELECT", "UPDATE"},
    "function": {"EXECUTE"},
}


def grant_statements(
    scope: Scope, held_by_everyone: Collection[Privilege], role: str
) -> tuple[str, ...]:
    """Return the GRANT statements, each ending in a semicolon, that give ``role`` the rest.

    Args:
        scope: what is needed.
        held_by_everyone: the part that needs no grant.
        role: the grantee's name, unquoted.

    Raises:
        InvalidError: when the scope holds what is not of PostgreSQL's vocabulary.
    """
    if not role or "\0" in role:
        raise InvalidError("a role's name is not empty and holds no NUL")
    held = frozenset(held_by_everyone)
    by_object: dict[tuple[str, tuple[str, ...]], list[Privilege]] = {}
    for privilege in scope:
        if privilege not in held:
            by_object.setdefault((privilege.kind, privilege.path), []).append(privilege)
    return tuple(
        _grant(kind, path, privileges, role) for (kind, path), privileges in by_object.items()
    )


def _grant(kind: str, path: tuple[str, ...], privileges: list[Privilege], role: str) -> str:
    if len(path) != _PATH_LENGTHS.get(kind, 0):
        raise InvalidError(f"no GRANT can be written for {kind} {'.'.join(path)!r}")
    statement = sql.SQL("GRANT {actions} ON {kind} {name} TO {role};").format(
        actions=sql.SQL(", ").join(_actions(kind, privileges)),
        kind=sql.SQL(_KEYWORDS[kind]),
        name=_name(kind, path),
        role=sql.Identifier(role),
    )
    return statement.as_string(None)


def _actions(kind: str, privileges: Iterable[Privilege]) -> Iterator[sql.Composable]:
    columns: dict[str, list[str]] = {}
    for privilege in privileges:
        if privilege.action not in _ACTIONS[kind]:
            raise InvalidError(f"{privilege.action!r} is no privilege on a {kind}")
        parts = columns.setdefault(privilege.action, [])
        if privilege.part is not None:
            parts.append(privilege.part)
    for action, parts in columns.items():
        word = sql.SQL(action)
        names = sql.SQL(", ").join(map(sql.Identifier, parts))
        yield sql.SQL("{} ({})").format(word, names) if parts else word


def _name(kind: str, path: tuple[str, ...]) -> sql.Composable:
    if kind != "function":
        return sql.Identifier(*path)
    schema, name, arguments = path
    _check_arguments(arguments)
    checked = sql.SQL(arguments.replace("{", "{{").replace("}", "}}"))
    return sql.SQL("{}({})").format(sql.Identifier(schema, name), checked.format())


def _check_arguments(arguments: str) -> None:
    depth = 0
    for token in lexer.tokens_of(arguments):
        is_name = token.kind in (TokenKind.WORD, TokenKind.QUOTED_NAME, TokenKind.NUMBER)
        is_space = token.kind is TokenKind.SPACE and not token.text.strip()
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or not (is_name or is_space or token.text in ",.[]()"):
            raise InvalidError(f"function arguments {arguments!r} cannot be granted on")
    if depth:
        raise InvalidError(f"function arguments {arguments!r} cannot be granted on")
