"""A directory adds, changes and removes its groups; its users' accounts follow.

Here: names, members and versions. Not here: how an account follows (directory_accounts), users
(provision_users), the protocol.

Invariants:
- Members are users of the same directory; a group in a group is refused, so nothing can be cyclic.
- Joining and leaving are sets: the same change twice changes nothing the second time.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import directory_events
from protem.domain.directories import DirectoryGroup, DirectorySource, OutdatedError, TakenError
from protem.domain.errors import InvalidError, NotFoundError
from protem.domain.identifiers import DirectoryId
from protem.domain.principals import PrincipalId
from protem.ports.store import Transaction
from protem.services.directory_accounts import sync_account
from protem.services.manage_accounts import tell
from protem.services.surroundings import Surroundings


class Edit(enum.StrEnum):
    """What to do with the members that are named."""

    JOIN = "join"
    LEAVE = "leave"
    BECOME = "become"
    """These and nobody else are the members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEdit:
    """One step of a change of members."""

    edit: Edit
    users: frozenset[DirectoryId]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """What is to change; None and nothing leave as it is. The steps are taken in order."""

    display_name: str | None = None
    external_id: str | None = None
    forgets_external_id: bool = False
    members: tuple[MemberEdit, ...] = ()


async def add_group(
    around: Surroundings, source: DirectorySource, change: GroupChange
) -> DirectoryGroup:
    """Add a group with its members.

    Raises:
        TakenError: when a group of this name is there.
        InvalidError: when it has no name that a policy can use, or a member is no user of the
            directory.
    """
    now = around.clock.now()
    if change.display_name is None:
        raise InvalidError("a group needs a displayName")
    group = DirectoryGroup(
        source=source.name,
        id=DirectoryId(around.randomness.grant_id(now)),
        name=source.group_name(change.display_name),
        display_name=change.display_name,
        external_id=change.external_id,
        version=1,
        created_at=now,
        changed_at=now,
    )

    def work(transaction: Transaction) -> set[PrincipalId]:
        _refuse_taken(transaction, group)
        transaction.directory_groups.add(group)
        joined, _ = _edit_members(transaction, group, change.members)
        transaction.audit.append(
            directory_events.group_changed(
                source, group, "added", now, joined=_principals(transaction, group, joined)
            )
        )
        return _sync(transaction, source, joined, now)

    tell(around, await around.store.write(work))
    return group


async def change_group(
    around: Surroundings,
    source: DirectorySource,
    group_id: DirectoryId,
    change: GroupChange,
    *,
    expected: int | None = None,
) -> DirectoryGroup:
    """Change a group's name, external id or members.

    Args:
        around: the ports.
        source: whose group it is.
        group_id: our id.
        change: what is to be different.
        expected: the version that the caller has seen; None for any.

    Raises:
        NotFoundError: when there is none.
        OutdatedError: when the stored version is another.
        TakenError, InvalidError: as ``add_group``.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> tuple[DirectoryGroup, set[PrincipalId]]:
        before = _current(transaction, source, group_id, expected)
        group = _changed(source, before, change)
        joined, left = _edit_members(transaction, before, change.members)
        if group == before and not joined and not left:
            return before, set()
        group = replace(group, version=before.version + 1, changed_at=now)
        _refuse_taken(transaction, group)
        transaction.directory_groups.save(group)
        transaction.audit.append(
            directory_events.group_changed(
                source,
                group,
                "changed",
                now,
                joined=_principals(transaction, group, joined),
                left=_principals(transaction, group, left),
            )
        )
        concerned = joined | left
        if group.name != before.name:
            concerned |= set(transaction.directory_groups.member_ids(group.id))
        return group, _sync(transaction, source, concerned, now)

    group, touched = await around.store.write(work)
    tell(around, touched)
    return group


async def remove_group(
    around: Surroundings,
    source: DirectorySource,
    group_id: DirectoryId,
    *,
    expected: int | None = None,
) -> None:
    """Forget a group; its members are in it no more.

    Raises:
        NotFoundError: when there is none.
        OutdatedError: when the stored version is another.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> set[PrincipalId]:
        group = _current(transaction, source, group_id, expected)
        members = set(transaction.directory_groups.member_ids(group.id))
        left = _principals(transaction, group, members)
        transaction.directory_groups.remove(source.name, group.id)
        transaction.audit.append(
            directory_events.group_changed(source, group, "removed", now, left=left)
        )
        return _sync(transaction, source, members, now)

    tell(around, await around.store.write(work))


def _current(
    transaction: Transaction, source: DirectorySource, group_id: DirectoryId, expected: int | None
) -> DirectoryGroup:
    group = transaction.directory_groups.get(source.name, group_id)
    if expected is not None and group.version != expected:
        raise OutdatedError(f"group {group_id} is at version {group.version}; read it again")
    return group


def _changed(
    source: DirectorySource, before: DirectoryGroup, change: GroupChange
) -> DirectoryGroup:
    display_name = before.display_name if change.display_name is None else change.display_name
    external_id = before.external_id if change.external_id is None else change.external_id
    return replace(
        before,
        name=source.group_name(display_name),
        display_name=display_name,
        external_id=None if change.forgets_external_id else external_id,
    )


def _refuse_taken(transaction: Transaction, group: DirectoryGroup) -> None:
    named = transaction.directory_groups.named(group.source, group.name_key)
    if named is not None and named.id != group.id:
        raise TakenError(f"there is already a group that policy calls {named.name}")


def _edit_members(
    transaction: Transaction, group: DirectoryGroup, edits: Sequence[MemberEdit]
) -> tuple[set[DirectoryId], set[DirectoryId]]:
    """Store who is in it after the edits; return who joined and who left."""
    if not edits:
        return set(), set()
    before = set(transaction.directory_groups.member_ids(group.id))
    after = set(before)
    for step in edits:
        match step.edit:
            case Edit.JOIN:
                after |= step.users
            case Edit.LEAVE:
                after -= step.users
            case Edit.BECOME:
                after = set(step.users)
    joined, left = after - before, before - after
    for user_id in sorted(joined):
        _check_is_user(transaction, group, user_id)
    transaction.directory_groups.leave(group.id, sorted(left))
    transaction.directory_groups.join(group.id, sorted(joined))
    return joined, left


def _check_is_user(transaction: Transaction, group: DirectoryGroup, user_id: DirectoryId) -> None:
    try:
        transaction.directory_users.get(group.source, user_id)
    except NotFoundError as error:
        raise InvalidError(
            f"member {user_id} is no user of this directory; groups in groups are not taken",
            next_step="assign people to the group, and provision them first",
        ) from error


def _principals(
    transaction: Transaction, group: DirectoryGroup, user_ids: set[DirectoryId]
) -> list[PrincipalId]:
    users = transaction.directory_users
    return [users.get(group.source, user_id).principal for user_id in sorted(user_ids)]


def _sync(
    transaction: Transaction, source: DirectorySource, user_ids: set[DirectoryId], now: datetime
) -> set[PrincipalId]:
    touched = set()
    for user_id in sorted(user_ids):
        user = transaction.directory_users.get(source.name, user_id)
        touched |= sync_account(transaction, source, user, now, was_active=user.active)
    return touched
