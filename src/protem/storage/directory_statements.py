"""The statements over directories, compiled once as ``statements`` does."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from protem.storage.directory_tables import directory_groups, directory_members, directory_users

_DIALECT = sqlite.dialect(paramstyle="named")
_FIXED = frozenset({"id", "source", "created_at"})


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


def _where(table: Table, *names: str) -> Select[tuple[object, ...]]:
    return select(*table.c).where(*(table.c[name] == bindparam(name) for name in names))


def _save(table: Table) -> str:
    return _compiled(
        update(table)
        .where(
            table.c.id == bindparam("key"),
            table.c.source == bindparam("of"),
            table.c.version == bindparam("before"),
        )
        .values({c.name: bindparam(c.name) for c in table.c if c.name not in _FIXED})
    )


def _page(table: Table) -> str:
    page = _where(table, "source").order_by(table.c.id)
    return _compiled(page.limit(bindparam("limit")).offset(bindparam("skip")))


def _count(table: Table) -> str:
    return _compiled(select(func.count()).where(table.c.source == bindparam("source")))


def _remove(table: Table) -> str:
    return _compiled(
        delete(table).where(table.c.id == bindparam("id"), table.c.source == bindparam("source"))
    )


USER_GET = _compiled(_where(directory_users, "id", "source"))
USER_ADD = _compiled(insert(directory_users))
USER_SAVE = _save(directory_users)
USER_REMOVE = _remove(directory_users)
USER_NAMED = _compiled(_where(directory_users, "source", "user_name_key"))
USER_OF_PRINCIPAL = _compiled(_where(directory_users, "principal"))
USERS_WITH_EXTERNAL_ID = _compiled(
    _where(directory_users, "source", "external_id").order_by(directory_users.c.id)
)
USERS = _page(directory_users)
USERS_COUNT = _count(directory_users)


@lru_cache(maxsize=8)
def users_with_manager(names: int) -> str:
    """Return the text for the users whose manager is ``name_0`` and so on."""
    wanted: list[BindParameter[str]] = [bindparam(f"name_{number}") for number in range(names)]
    matching = _where(directory_users, "source").where(directory_users.c.manager.in_(wanted))
    return _compiled(matching.order_by(directory_users.c.id))


GROUP_GET = _compiled(_where(directory_groups, "id", "source"))
GROUP_ADD = _compiled(insert(directory_groups))
GROUP_SAVE = _save(directory_groups)
GROUP_REMOVE = _remove(directory_groups)
GROUP_NAMED = _compiled(_where(directory_groups, "source", "name_key"))
GROUPS = _page(directory_groups)
GROUPS_COUNT = _count(directory_groups)

MEMBERS = _compiled(
    select(*directory_users.c)
    .join(directory_members, directory_members.c.user_id == directory_users.c.id)
    .where(directory_members.c.group_id == bindparam("group_id"))
    .order_by(directory_users.c.id)
)
MEMBER_IDS = _compiled(
    select(directory_members.c.user_id)
    .where(directory_members.c.group_id == bindparam("group_id"))
    .order_by(directory_members.c.user_id)
)
GROUPS_OF_USER = _compiled(
    select(*directory_groups.c)
    .join(directory_members, directory_members.c.group_id == directory_groups.c.id)
    .where(directory_members.c.user_id == bindparam("user_id"))
    .order_by(directory_groups.c.id)
)
MEMBER_GET = _compiled(_where(directory_members, "group_id", "user_id"))
MEMBER_ADD = _compiled(insert(directory_members))
MEMBER_DROP = _compiled(
    delete(directory_members).where(
        directory_members.c.group_id == bindparam("group_id"),
        directory_members.c.user_id == bindparam("user_id"),
    )
)
MEMBERS_DROP = _compiled(
    delete(directory_members).where(directory_members.c.group_id == bindparam("group_id"))
)
MEMBERSHIPS_DROP = _compiled(
    delete(directory_members).where(directory_members.c.user_id == bindparam("user_id"))
)
