"""GRANT statements of a scope."""

from __future__ import annotations

import pytest

from protem.domain.errors import InvalidError
from protem.domain.scopes import Privilege, Scope
from protem.planners.postgresql.grants import grant_statements


def _privilege(kind: str, *path: str, action: str, part: str | None = None) -> Privilege:
    return Privilege(kind=kind, path=path, action=action, part=part)


def test_one_statement_an_object() -> None:
    """Columns are merged by action, whole objects have no list, and each object is named once."""
    scope = Scope(
        [
            _privilege("database", "db", action="CONNECT"),
            _privilege("schema", "shop", action="USAGE"),
            _privilege("table", "shop", "orders", action="SELECT", part="id"),
            _privilege("table", "shop", "orders", action="SELECT", part="a b"),
            _privilege("table", "shop", "orders", action="UPDATE", part="id"),
            _privilege("table", "shop", "orders", action="DELETE"),
            _privilege("sequence", "shop", "s", action="USAGE"),
            _privilege("function", "shop", "f", "a integer, VARIADIC b text[]", action="EXECUTE"),
        ]
    )
    assert grant_statements(scope, (), 'x"y') == (
        'GRANT CONNECT ON DATABASE "db" TO "x""y";',
        'GRANT EXECUTE ON FUNCTION "shop"."f"(a integer, VARIADIC b text[]) TO "x""y";',
        'GRANT USAGE ON SCHEMA "shop" TO "x""y";',
        'GRANT USAGE ON SEQUENCE "shop"."s" TO "x""y";',
        'GRANT DELETE, SELECT ("a b", "id"), UPDATE ("id") ON TABLE "shop"."orders" TO "x""y";',
    )


def test_what_everyone_holds_is_left_out() -> None:
    """Nothing is granted that PUBLIC holds, and nothing at all may be left."""
    usage = _privilege("schema", "public", action="USAGE")
    assert grant_statements(Scope([usage]), {usage}, "r") == ()


@pytest.mark.parametrize(
    "privilege",
    [
        _privilege("table", "orders", action="SELECT"),
        _privilege("table", "shop", "orders", action="TRUNCATE"),
        _privilege("role", "postgres", action="MEMBER"),
        _privilege("function", "s", "f", "integer) to public; --", action="EXECUTE"),
        _privilege("function", "s", "f", "integer); drop table x; (", action="EXECUTE"),
        _privilege("function", "s", "f", "'text'", action="EXECUTE"),
        _privilege("function", "s", "f", "int /* x */", action="EXECUTE"),
    ],
)
def test_what_is_not_of_the_vocabulary(privilege: Privilege) -> None:
    """A scope that a planner would not make gives no SQL."""
    with pytest.raises(InvalidError):
        grant_statements(Scope([privilege]), (), "r")


def test_a_role_needs_a_name() -> None:
    """An empty role name is refused."""
    with pytest.raises(InvalidError):
        grant_statements(Scope(), (), "")
