"""Users and groups of directories, in dictionaries, with the refusals of the real ones."""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Collection, Sequence

from protem.domain.directories import DirectoryGroup, DirectoryUser
from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.identifiers import DirectoryId, DirectoryName
from protem.domain.principals import PrincipalId
from protem.testing.in_memory_tables import Records

_CHANGED = "it changed, or is gone; read it again"


class InMemoryDirectoryUsers(Records):
    """Users of directories."""

    def get(self, source: DirectoryName, user_id: DirectoryId) -> DirectoryUser:
        found = self._transaction.readable.directory_users.get(user_id)
        if found is None or found.source != source:
            raise NotFoundError(f"there is no user {user_id}")
        return found

    def add(self, user: DirectoryUser) -> None:
        users = self._transaction.changeable.directory_users
        if user.id in users or user.version != 1:
            raise ConflictError("a user is added once, at version 1")
        self._refuse_taken(user)
        users[user.id] = user

    def save(self, user: DirectoryUser) -> None:
        users = self._transaction.changeable.directory_users
        before = users.get(user.id)
        if before is None or (before.source, before.version) != (user.source, user.version - 1):
            raise ConflictError(_CHANGED)
        self._refuse_taken(user)
        users[user.id] = user

    def remove(self, source: DirectoryName, user_id: DirectoryId) -> None:
        tables = self._transaction.changeable
        if any(user.id == user_id for user in self._of(source)):
            del tables.directory_users[user_id]
            tables.directory_members = {
                place for place in tables.directory_members if place[1] != user_id
            }

    def named(self, source: DirectoryName, user_name_key: str) -> DirectoryUser | None:
        return next((u for u in self._of(source) if u.user_name_key == user_name_key), None)

    def of_principal(self, principal_id: PrincipalId) -> DirectoryUser | None:
        users = self._transaction.readable.directory_users.values()
        return next((user for user in users if user.principal == principal_id), None)

    def with_external_id(self, source: DirectoryName, external_id: str) -> Sequence[DirectoryUser]:
        return tuple(u for u in self._of(source) if u.profile.external_id == external_id)

    def with_manager(
        self, source: DirectoryName, names: Collection[str]
    ) -> Sequence[DirectoryUser]:
        return tuple(user for user in self._of(source) if user.profile.manager in names)

    def list(self, source: DirectoryName, *, skip: int, limit: int) -> Sequence[DirectoryUser]:
        return tuple(self._of(source)[skip : skip + limit])

    def count(self, source: DirectoryName) -> int:
        return len(self._of(source))

    def _of(self, source: DirectoryName) -> Sequence[DirectoryUser]:
        users = self._transaction.readable.directory_users.values()
        return sorted((u for u in users if u.source == source), key=lambda user: user.id)

    def _refuse_taken(self, user: DirectoryUser) -> None:
        for other in self._transaction.readable.directory_users.values():
            same_name = (other.source, other.user_name_key) == (user.source, user.user_name_key)
            if other.id != user.id and (same_name or other.principal == user.principal):
                raise ConflictError("the user name or the principal is taken")


class InMemoryDirectoryGroups(Records):
    """Groups of directories and who is in them."""

    def get(self, source: DirectoryName, group_id: DirectoryId) -> DirectoryGroup:
        found = self._transaction.readable.directory_groups.get(group_id)
        if found is None or found.source != source:
            raise NotFoundError(f"there is no group {group_id}")
        return found

    def add(self, group: DirectoryGroup) -> None:
        groups = self._transaction.changeable.directory_groups
        if group.id in groups or group.version != 1:
            raise ConflictError("a group is added once, at version 1")
        self._refuse_taken(group)
        groups[group.id] = group

    def save(self, group: DirectoryGroup) -> None:
        groups = self._transaction.changeable.directory_groups
        before = groups.get(group.id)
        if before is None or (before.source, before.version) != (group.source, group.version - 1):
            raise ConflictError(_CHANGED)
        self._refuse_taken(group)
        groups[group.id] = group

    def remove(self, source: DirectoryName, group_id: DirectoryId) -> None:
        tables = self._transaction.changeable
        if any(group.id == group_id for group in self._of(source)):
            del tables.directory_groups[group_id]
            tables.directory_members = {
                place for place in tables.directory_members if place[0] != group_id
            }

    def named(self, source: DirectoryName, name_key: str) -> DirectoryGroup | None:
        return next((group for group in self._of(source) if group.name_key == name_key), None)

    def list(self, source: DirectoryName, *, skip: int, limit: int) -> Sequence[DirectoryGroup]:
        return tuple(self._of(source)[skip : skip + limit])

    def count(self, source: DirectoryName) -> int:
        return len(self._of(source))

    def members(self, group_id: DirectoryId) -> Sequence[DirectoryUser]:
        tables = self._transaction.readable
        ids = sorted(user for group, user in tables.directory_members if group == group_id)
        return tuple(tables.directory_users[user_id] for user_id in ids)

    def member_ids(self, group_id: DirectoryId) -> Sequence[DirectoryId]:
        return tuple(user.id for user in self.members(group_id))

    def of_user(self, user_id: DirectoryId) -> Sequence[DirectoryGroup]:
        tables = self._transaction.readable
        ids = sorted(group for group, user in tables.directory_members if user == user_id)
        return tuple(tables.directory_groups[group_id] for group_id in ids)

    def join(self, group_id: DirectoryId, user_ids: Collection[DirectoryId]) -> None:
        tables = self._transaction.changeable
        for user_id in user_ids:
            if group_id not in tables.directory_groups or user_id not in tables.directory_users:
                raise ConflictError("there is no such group, or no such user")
            tables.directory_members.add((group_id, user_id))

    def leave(self, group_id: DirectoryId, user_ids: Collection[DirectoryId]) -> None:
        members = self._transaction.changeable.directory_members
        members.difference_update((group_id, user_id) for user_id in user_ids)

    def _of(self, source: DirectoryName) -> Sequence[DirectoryGroup]:
        groups = self._transaction.readable.directory_groups.values()
        return sorted((g for g in groups if g.source == source), key=lambda group: group.id)

    def _refuse_taken(self, group: DirectoryGroup) -> None:
        named = self.named(group.source, group.name_key)
        if named is not None and named.id != group.id:
            raise ConflictError("the name is taken")
