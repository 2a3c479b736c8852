"""Users and groups of directories, in SQL.

Here: rows and their meaning. Not here: what a change does to accounts (services).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from protem.domain.directories import (
    DirectoryGroup,
    DirectoryUser,
    EmailAddress,
    PersonName,
    UserProfile,
)
from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.identifiers import DirectoryId, DirectoryName, GroupName
from protem.domain.principals import PrincipalId
from protem.storage import directory_statements as statements
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Row, Session

_CHANGED = "it changed, or is gone; read it again"


class DirectoryUserTable:
    """``DirectoryUserRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, source: DirectoryName, user_id: DirectoryId) -> DirectoryUser:
        """Return the user, or raise ``NotFoundError``."""
        row = self._session.row(statements.USER_GET, {"id": user_id, "source": source})
        if row is None:
            raise NotFoundError(f"there is no user {user_id}")
        return _user(row)

    def add(self, user: DirectoryUser) -> None:
        """Insert a user at version 1."""
        if user.version != 1:
            raise ConflictError("a user begins at version 1")
        self._session.change(statements.USER_ADD, _of_user(user))

    def save(self, user: DirectoryUser) -> None:
        """Write ``user`` over the version before it."""
        if not self._session.change(statements.USER_SAVE, _over(_of_user(user))):
            raise ConflictError(_CHANGED)

    def remove(self, source: DirectoryName, user_id: DirectoryId) -> None:
        """Forget the user and its memberships."""
        place = {"id": user_id, "source": source}
        if self._session.row(statements.USER_GET, place) is not None:
            self._session.change(statements.MEMBERSHIPS_DROP, {"user_id": user_id})
        self._session.change(statements.USER_REMOVE, place)

    def named(self, source: DirectoryName, user_name_key: str) -> DirectoryUser | None:
        """Return the user of that name."""
        wanted = {"source": source, "user_name_key": user_name_key}
        row = self._session.row(statements.USER_NAMED, wanted)
        return None if row is None else _user(row)

    def of_principal(self, principal_id: PrincipalId) -> DirectoryUser | None:
        """Return the user that is this principal."""
        row = self._session.row(statements.USER_OF_PRINCIPAL, {"principal": str(principal_id)})
        return None if row is None else _user(row)

    def with_external_id(self, source: DirectoryName, external_id: str) -> Sequence[DirectoryUser]:
        """Return the users of that external id."""
        wanted = {"source": source, "external_id": external_id}
        return tuple(map(_user, self._session.rows(statements.USERS_WITH_EXTERNAL_ID, wanted)))

    def with_manager(
        self, source: DirectoryName, names: Collection[str]
    ) -> Sequence[DirectoryUser]:
        """Return the users whose manager is called so."""
        wanted = {f"name_{number}": name for number, name in enumerate(names)}
        statement = statements.users_with_manager(len(wanted))
        rows = self._session.rows(statement, {"source": source, **wanted})
        return tuple(map(_user, rows))

    def list(self, source: DirectoryName, *, skip: int, limit: int) -> Sequence[DirectoryUser]:
        """Return users of a source by id."""
        wanted = {"source": source, "skip": skip, "limit": limit}
        return tuple(map(_user, self._session.rows(statements.USERS, wanted)))

    def count(self, source: DirectoryName) -> int:
        """Return how many users a source has."""
        return _number(self._session.row(statements.USERS_COUNT, {"source": source}))


class DirectoryGroupTable:
    """``DirectoryGroupRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, source: DirectoryName, group_id: DirectoryId) -> DirectoryGroup:
        """Return the group, or raise ``NotFoundError``."""
        row = self._session.row(statements.GROUP_GET, {"id": group_id, "source": source})
        if row is None:
            raise NotFoundError(f"there is no group {group_id}")
        return _group(row)

    def add(self, group: DirectoryGroup) -> None:
        """Insert a group at version 1."""
        if group.version != 1:
            raise ConflictError("a group begins at version 1")
        self._session.change(statements.GROUP_ADD, _of_group(group))

    def save(self, group: DirectoryGroup) -> None:
        """Write ``group`` over the version before it."""
        if not self._session.change(statements.GROUP_SAVE, _over(_of_group(group))):
            raise ConflictError(_CHANGED)

    def remove(self, source: DirectoryName, group_id: DirectoryId) -> None:
        """Forget the group and its memberships."""
        place = {"id": group_id, "source": source}
        if self._session.row(statements.GROUP_GET, place) is not None:
            self._session.change(statements.MEMBERS_DROP, {"group_id": group_id})
        self._session.change(statements.GROUP_REMOVE, place)

    def named(self, source: DirectoryName, name_key: str) -> DirectoryGroup | None:
        """Return the group of that name."""
        wanted = {"source": source, "name_key": name_key}
        row = self._session.row(statements.GROUP_NAMED, wanted)
        return None if row is None else _group(row)

    def list(self, source: DirectoryName, *, skip: int, limit: int) -> Sequence[DirectoryGroup]:
        """Return groups of a source by id."""
        wanted = {"source": source, "skip": skip, "limit": limit}
        return tuple(map(_group, self._session.rows(statements.GROUPS, wanted)))

    def count(self, source: DirectoryName) -> int:
        """Return how many groups a source has."""
        return _number(self._session.row(statements.GROUPS_COUNT, {"source": source}))

    def members(self, group_id: DirectoryId) -> Sequence[DirectoryUser]:
        """Return the members of a group, by id."""
        return tuple(map(_user, self._session.rows(statements.MEMBERS, {"group_id": group_id})))

    def member_ids(self, group_id: DirectoryId) -> Sequence[DirectoryId]:
        """Return the ids of the members, in order."""
        rows = self._session.rows(statements.MEMBER_IDS, {"group_id": group_id})
        return tuple(DirectoryId(user_id) for (user_id,) in rows)

    def of_user(self, user_id: DirectoryId) -> Sequence[DirectoryGroup]:
        """Return the groups that a user is in, by id."""
        rows = self._session.rows(statements.GROUPS_OF_USER, {"user_id": user_id})
        return tuple(map(_group, rows))

    def join(self, group_id: DirectoryId, user_ids: Collection[DirectoryId]) -> None:
        """Add members."""
        for user_id in user_ids:
            place = {"group_id": group_id, "user_id": user_id}
            if self._session.row(statements.MEMBER_GET, place) is None:
                self._session.change(statements.MEMBER_ADD, place)

    def leave(self, group_id: DirectoryId, user_ids: Collection[DirectoryId]) -> None:
        """Take members out."""
        for user_id in user_ids:
            place = {"group_id": group_id, "user_id": user_id}
            self._session.change(statements.MEMBER_DROP, place)


def _number(row: Row | None) -> int:
    return 0 if row is None else int(row[0])


def _over(values: dict[str, Any]) -> dict[str, Any]:
    place = {"key": values["id"], "of": values["source"], "before": values["version"] - 1}
    return {**values, **place}


def _of_user(user: DirectoryUser) -> dict[str, Any]:
    profile, name = user.profile, user.profile.name
    emails = [[email.value, email.kind, email.primary] for email in profile.emails]
    return {
        "id": user.id,
        "source": user.source,
        "user_name": profile.user_name,
        "user_name_key": user.user_name_key,
        "external_id": profile.external_id,
        "principal": str(user.principal),
        "active": int(user.active),
        "display_name": profile.display_name,
        "name_parts": json.dumps([name.formatted, name.family, name.given]),
        "emails": json.dumps(emails),
        "manager": profile.manager,
        "version": user.version,
        "created_at": from_moment(user.created_at),
        "changed_at": from_moment(user.changed_at),
    }


def _user(row: Row) -> DirectoryUser:
    (
        user_id, source, user_name, _, external_id, principal, active, display_name, name_parts,
        emails, manager, version, created_at, changed_at,
    ) = row  # fmt: skip
    formatted, family, given = json.loads(name_parts)
    profile = UserProfile(
        user_name=user_name,
        external_id=external_id,
        active=bool(active),
        display_name=display_name,
        name=PersonName(formatted=formatted, family=family, given=given),
        emails=tuple(
            EmailAddress(value=value, kind=kind, primary=primary)
            for value, kind, primary in json.loads(emails)
        ),
        manager=manager,
    )
    return DirectoryUser(
        source=DirectoryName(source),
        id=DirectoryId(user_id),
        principal=PrincipalId.parse(principal),
        profile=profile,
        version=version,
        created_at=to_moment(created_at),
        changed_at=to_moment(changed_at),
    )


def _of_group(group: DirectoryGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "source": group.source,
        "name": group.name,
        "name_key": group.name_key,
        "display_name": group.display_name,
        "external_id": group.external_id,
        "version": group.version,
        "created_at": from_moment(group.created_at),
        "changed_at": from_moment(group.changed_at),
    }


def _group(row: Row) -> DirectoryGroup:
    group_id, source, name, _, display_name, external_id, version, created_at, changed_at = row
    return DirectoryGroup(
        source=DirectoryName(source),
        id=DirectoryId(group_id),
        name=GroupName(name),
        display_name=display_name,
        external_id=external_id,
        version=version,
        created_at=to_moment(created_at),
        changed_at=to_moment(changed_at),
    )
