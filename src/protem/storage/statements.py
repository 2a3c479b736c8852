"""Every statement, written in SQLAlchemy Core and compiled once to SQLite's text.

Here: the text and its named parameters. Not here: running it; the standard library's driver does,
because a layer per statement costs more than the statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from protem.domain.grants import TERMINAL, GrantState
from protem.storage.schema import (
    LEASE_COLUMNS,
    account_groups,
    accounts,
    approvals,
    audit_entries,
    clock_marks,
    grants,
    remembered_answers,
    request_revisions,
    tokens,
)

_DIALECT = sqlite.dialect(paramstyle="named")
_START: ColumnElement[int] = literal_column("0")
"""SQLite needs an offset beside a limit; said literally, it is no parameter."""
_FIXED = frozenset({"id", "principal", "target", "requested_at"})
_GRANT = tuple(column for column in grants.c if column.name not in LEASE_COLUMNS)


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


def _insert(table: Table) -> str:
    return _compiled(insert(table))


def _by(column_name: str, table: Table) -> Select[tuple[object, ...]]:
    return select(*table.c).where(table.c[column_name] == bindparam(column_name))


GRANT_GET = _compiled(select(*_GRANT).where(grants.c.id == bindparam("id")))
GRANT_ADD = _compiled(
    insert(grants).values({column.name: bindparam(column.name) for column in _GRANT})
)
GRANT_SAVE = _compiled(
    update(grants)
    .where(
        grants.c.id == bindparam("grant_id"),
        grants.c.version == bindparam("version") - literal_column("1"),
    )
    .values({column.name: bindparam(column.name) for column in _GRANT if column.name not in _FIXED})
)

_IS_FREE = grants.c.lease_until.is_(None) | (grants.c.lease_until <= bindparam("now"))
_LEASE: dict[str, BindParameter[object]] = {
    "lease_owner": bindparam("owner"),
    "lease_until": bindparam("until"),
}


@lru_cache(maxsize=64)
def work_claim(exceptions: int) -> str:
    """Return the text for leasing what is due, but at the targets ``target_0`` and so on."""
    elsewhere = [grants.c.target != bindparam(f"target_{number}") for number in range(exceptions)]
    due = (
        select(grants.c.id)
        .where(grants.c.due_at <= bindparam("now"), _IS_FREE, *elsewhere)
        .order_by(grants.c.due_at, grants.c.id)
        .limit(bindparam("limit"))
        .offset(_START)
    )
    return _compiled(update(grants).where(grants.c.id.in_(due)).values(_LEASE).returning(*_GRANT))


WORK_TAKE = _compiled(
    update(grants).where(grants.c.id == bindparam("grant_id"), _IS_FREE).values(_LEASE)
)
WORK_RELEASE = _compiled(
    update(grants)
    .where(grants.c.id == bindparam("grant_id"), grants.c.lease_owner == bindparam("owner"))
    .values(lease_owner=literal_column("NULL"), lease_until=literal_column("NULL"))
)
WORK_RENEW = _compiled(
    update(grants)
    .where(grants.c.id == bindparam("grant_id"), grants.c.lease_owner == bindparam("owner"))
    .values(lease_until=bindparam("until"))
)
WORK_LEASES = _compiled(
    select(grants.c.lease_until, *_GRANT).where(grants.c.lease_until.is_not(None))
)
WORK_RELEASE_ALL = _compiled(
    update(grants)
    .where(grants.c.lease_until.is_not(None))
    .values(lease_owner=literal_column("NULL"), lease_until=literal_column("NULL"))
)
WORK_DUE = _compiled(
    select(*_GRANT)
    .where(grants.c.due_at <= bindparam("now"))
    .order_by(grants.c.due_at, grants.c.id)
    .limit(bindparam("limit"))
    .offset(bindparam("skip"))
)
WORK_NEXT_FREE = _compiled(
    select(grants.c.due_at)
    .where(grants.c.due_at.is_not(None), grants.c.lease_until.is_(None))
    .order_by(grants.c.due_at)
    .limit(literal_column("1"))
    .offset(_START)
)
WORK_LEASED = _compiled(
    select(grants.c.due_at, grants.c.lease_until).where(
        grants.c.lease_until.is_not(None), grants.c.due_at.is_not(None)
    )
)

REVISION_ADD = _insert(request_revisions)
REVISION_GET = _compiled(
    select(*request_revisions.c).where(
        request_revisions.c.grant_id == bindparam("grant_id"),
        request_revisions.c.number == bindparam("number"),
    )
)
REVISION_LATEST = _compiled(
    select(request_revisions.c.number)
    .where(request_revisions.c.grant_id == bindparam("grant_id"))
    .order_by(request_revisions.c.number.desc())
    .limit(literal_column("1"))
    .offset(_START)
)
APPROVAL_ADD = _insert(approvals)
APPROVALS_OF = _compiled(
    select(*approvals.c)
    .where(
        approvals.c.grant_id == bindparam("grant_id"),
        approvals.c.revision == bindparam("revision"),
    )
    .order_by(approvals.c.at, approvals.c.reviewer)
)

ENTRY_LAST = _compiled(
    select(audit_entries.c.position)
    .order_by(audit_entries.c.position.desc())
    .limit(literal_column("1"))
    .offset(_START)
)
ENTRY_ADD = _insert(audit_entries)
ENTRIES = _compiled(
    select(*audit_entries.c)
    .where(audit_entries.c.position >= bindparam("start"))
    .order_by(audit_entries.c.position)
    .limit(bindparam("limit"))
    .offset(_START)
)

_latest_first = (clock_marks.c.moment.desc(), clock_marks.c.boot)
CLOCK_MARKS = _compiled(select(clock_marks).order_by(*_latest_first))
_mark = sqlite.insert(clock_marks)
CLOCK_PUT = _compiled(
    _mark.on_conflict_do_update(
        index_elements=["boot"],
        set_={c.name: _mark.excluded[c.name] for c in clock_marks.c if c.name != "boot"},
        where=clock_marks.c.moment <= _mark.excluded.moment,
    )
)
_newest = (
    select(clock_marks.c.boot).order_by(*_latest_first).limit(bindparam("newest")).offset(_START)
)
CLOCK_FORGET_BUT = _compiled(delete(clock_marks).where(clock_marks.c.boot.not_in(_newest)))

ACCOUNT_GET = _compiled(_by("id", accounts))
ACCOUNT_ADD = _insert(accounts)
ACCOUNT_CHANGE = _compiled(
    update(accounts)
    .where(accounts.c.id == bindparam("account"))
    .values({c.name: bindparam(c.name) for c in accounts.c if c.name not in ("id", "subject")})
)
ACCOUNT_AGENTS = _compiled(
    select(*accounts.c).where(accounts.c.acts_for == bindparam("person")).order_by(accounts.c.id)
)
ACCOUNT_LIST = _compiled(select(*accounts.c).order_by(accounts.c.subject, accounts.c.id))
ACCOUNT_MEMBERS = _compiled(
    select(*accounts.c)
    .join(account_groups, account_groups.c.account == accounts.c.id)
    .where(account_groups.c.name == bindparam("name"), accounts.c.disabled == literal_column("0"))
    .order_by(accounts.c.subject, accounts.c.id)
)
GROUPS_GET = _compiled(
    select(account_groups.c.name).where(account_groups.c.account == bindparam("account"))
)
GROUPS_DROP = _compiled(
    delete(account_groups).where(account_groups.c.account == bindparam("account"))
)
GROUP_ADD = _insert(account_groups)
TOKEN_ADD = _insert(tokens)
TOKEN_GET = _compiled(_by("hash", tokens))
TOKEN_DROP = _compiled(delete(tokens).where(tokens.c.hash == bindparam("hash")))
TOKENS_DROP = _compiled(delete(tokens).where(tokens.c.owner == bindparam("owner")))

ANSWER_GET = _compiled(
    select(*remembered_answers.c).where(
        remembered_answers.c.principal == bindparam("principal"),
        remembered_answers.c.key == bindparam("key"),
    )
)
ANSWER_ADD = _insert(remembered_answers)
ANSWERS_FORGET = _compiled(
    delete(remembered_answers).where(remembered_answers.c.at < bindparam("moment"))
)


def grant_list(states: Sequence[GrantState], *, principal: bool, target: bool, before: bool) -> str:
    """Return the text for one shape of ``GrantRecords.list``; states are ``state_0`` and so on."""
    is_open = bool(states) and TERMINAL.isdisjoint(states)
    return _grant_list(
        len(states), is_open=is_open, principal=principal, target=target, before=before
    )


@lru_cache(maxsize=256)
def _grant_list(states: int, *, is_open: bool, principal: bool, target: bool, before: bool) -> str:
    statement = (
        select(*_GRANT).order_by(grants.c.id.desc()).limit(bindparam("limit")).offset(_START)
    )
    if states:
        wanted: list[BindParameter[str]] = [
            bindparam(f"state_{number}") for number in range(states)
        ]
        statement = statement.where(grants.c.state.in_(wanted))
    if is_open:
        # Follows from the states; said so that an index over open grants serves.
        statement = statement.where(grants.c.due_at.is_not(None))
    if principal:
        statement = statement.where(grants.c.principal == bindparam("principal"))
    if target:
        statement = statement.where(grants.c.target == bindparam("target"))
    if before:
        statement = statement.where(grants.c.id < bindparam("before"))
    return _compiled(statement)
