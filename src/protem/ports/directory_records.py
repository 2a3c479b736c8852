"""Users and groups that directories provision, as records of the store.

Each belongs to one source; a source never sees another's. Versions count from 1, and a save is of
the version after the stored one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from protem.domain.directories import DirectoryGroup, DirectoryUser
from protem.domain.identifiers import DirectoryId, DirectoryName
from protem.domain.principals import PrincipalId


class DirectoryUserRecords(Protocol):
    """Users of directories."""

    def get(self, source: DirectoryName, user_id: DirectoryId) -> DirectoryUser:
        """Return the user.

        Raises:
            NotFoundError: when that source has none of this id.
        """
        ...

    def add(self, user: DirectoryUser) -> None:
        """Insert a user at version 1.

        Raises:
            ConflictError: when the id, the user name within the source, or the principal is taken.
        """
        ...

    def save(self, user: DirectoryUser) -> None:
        """Write ``user`` over the version before it.

        Raises:
            ConflictError: as ``add``, or when the stored version is another.
        """
        ...

    def remove(self, source: DirectoryName, user_id: DirectoryId) -> None:
        """Forget the user and its memberships; harmless when there is none."""
        ...

    def named(self, source: DirectoryName, user_name_key: str) -> DirectoryUser | None:
        """Return the user of that name, as names are compared, if any."""
        ...

    def of_principal(self, principal_id: PrincipalId) -> DirectoryUser | None:
        """Return the user, of any source, that is this principal, if any."""
        ...

    def with_external_id(self, source: DirectoryName, external_id: str) -> Sequence[DirectoryUser]:
        """Return the users of that external id, by id."""
        ...

    def with_manager(
        self, source: DirectoryName, names: Collection[str]
    ) -> Sequence[DirectoryUser]:
        """Return the users whose profile names one of ``names`` as the manager, by id."""
        ...

    def list(self, source: DirectoryName, *, skip: int, limit: int) -> Sequence[DirectoryUser]:
        """Return users of a source by id, which is the order in which they came."""
        ...

    def count(self, source: DirectoryName) -> int:
        """Return how many users a source has."""
        ...


class DirectoryGroupRecords(Protocol):
    """Groups of directories and who is in them."""

    def get(self, source: DirectoryName, group_id: DirectoryId) -> DirectoryGroup:
        """Return the group.

        Raises:
            NotFoundError: when that source has none of this id.
        """
        ...

    def add(self, group: DirectoryGroup) -> None:
        """Insert a group at version 1, without members.

        Raises:
            ConflictError: when the id, or the name within the source, is taken.
        """
        ...

    def save(self, group: DirectoryGroup) -> None:
        """Write ``group`` over the version before it.

        Raises:
            ConflictError: as ``add``, or when the stored version is another.
        """
        ...

    def remove(self, source: DirectoryName, group_id: DirectoryId) -> None:
        """Forget the group and its memberships; harmless when there is none."""
        ...

    def named(self, source: DirectoryName, name_key: str) -> DirectoryGroup | None:
        """Return the group of that name, as names are compared, if any."""
        ...

    def list(self, source: DirectoryName, *, skip: int, limit: int) -> Sequence[DirectoryGroup]:
        """Return groups of a source by id."""
        ...

    def count(self, source: DirectoryName) -> int:
        """Return how many groups a source has."""
        ...

    def members(self, group_id: DirectoryId) -> Sequence[DirectoryUser]:
        """Return the members of a group, by id."""
        ...

    def member_ids(self, group_id: DirectoryId) -> Sequence[DirectoryId]:
        """Return the ids of the members alone, in order: groups are large, changes small."""
        ...

    def of_user(self, user_id: DirectoryId) -> Sequence[DirectoryGroup]:
        """Return the groups that a user is in, by id."""
        ...

    def join(self, group_id: DirectoryId, user_ids: Collection[DirectoryId]) -> None:
        """Add members; who is one already stays one.

        Raises:
            ConflictError: when the group or a user does not exist.
        """
        ...

    def leave(self, group_id: DirectoryId, user_ids: Collection[DirectoryId]) -> None:
        """Take members out; harmless for who is none."""
        ...
