"""A directory reads back what it provisioned: one by id, or a page of those that match.

Here: which records can match, and their attributes. Not here: changing them, and the protocol.

Invariants: a page and its total are of one snapshot; where the condition fixes a name or an id, no
more than those records are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from protem.domain.directories import (
    DirectoryGroup,
    DirectorySource,
    DirectoryUser,
    comparable,
)
from protem.domain.directory_filters import Attribute, Condition, Values, holds, pinned
from protem.domain.errors import InvalidError, NotFoundError
from protem.domain.identifiers import DirectoryId
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings

T = TypeVar("T")
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """A user and the groups it is in."""

    user: DirectoryUser
    groups: tuple[DirectoryGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group and its members."""

    group: DirectoryGroup
    members: tuple[DirectoryUser, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of the matches is wanted: ``start`` counts from 1."""

    start: int = 1
    count: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of the matches, and how many there are."""

    items: tuple[T, ...]
    total: int


async def get_user(around: Surroundings, source: DirectorySource, user_id: DirectoryId) -> UserView:
    """Return a user.

    Raises:
        NotFoundError: when there is none.
    """
    return await around.store.read(
        lambda view: _user_view(view, view.directory_users.get(source.name, user_id))
    )


async def get_group(
    around: Surroundings, source: DirectorySource, group_id: DirectoryId
) -> GroupView:
    """Return a group.

    Raises:
        NotFoundError: when there is none.
    """
    return await around.store.read(
        lambda view: _group_view(view, view.directory_groups.get(source.name, group_id))
    )


async def find_users(
    around: Surroundings, source: DirectorySource, condition: Condition | None, window: Window
) -> Page[UserView]:
    """Return the users for which the condition holds, in the order in which they came."""

    def work(view: Transaction) -> Page[UserView]:
        users = view.directory_users
        if condition is None:
            page = users.list(source.name, skip=window.start - 1, limit=window.count)
            total = users.count(source.name)
        else:
            found = [
                user
                for user in _candidate_users(view, source, condition)
                if holds(condition, _values_of_user(user))
            ]
            page, total = _cut(found, window), len(found)
        return Page(items=tuple(_user_view(view, user) for user in page), total=total)

    return await around.store.read(work)


async def find_groups(
    around: Surroundings,
    source: DirectorySource,
    condition: Condition | None,
    window: Window,
    *,
    with_members: bool = True,
) -> Page[GroupView]:
    """Return the groups for which the condition holds, in the order in which they came."""

    def work(view: Transaction) -> Page[GroupView]:
        groups = view.directory_groups
        if condition is None:
            page = groups.list(source.name, skip=window.start - 1, limit=window.count)
            total = groups.count(source.name)
        else:
            found = [
                group
                for group in _candidate_groups(view, source, condition)
                if holds(condition, _values_of_group(view, group))
            ]
            page, total = _cut(found, window), len(found)
        made = _group_view if with_members else lambda _, group: GroupView(group=group)
        return Page(items=tuple(made(view, group) for group in page), total=total)

    return await around.store.read(work)


def _user_view(view: Transaction, user: DirectoryUser) -> UserView:
    return UserView(user=user, groups=tuple(view.directory_groups.of_user(user.id)))


def _group_view(view: Transaction, group: DirectoryGroup) -> GroupView:
    return GroupView(group=group, members=tuple(view.directory_groups.members(group.id)))


def _cut(found: Sequence[T], window: Window) -> Sequence[T]:
    return found[window.start - 1 : window.start - 1 + window.count]


def _candidate_users(
    view: Transaction, source: DirectorySource, condition: Condition
) -> Iterator[DirectoryUser]:
    users = view.directory_users
    if (user_id := pinned(condition, Attribute.ID)) is not None:
        try:
            yield users.get(source.name, DirectoryId(user_id))
        except (InvalidError, NotFoundError):
            return
    elif (name := pinned(condition, Attribute.USER_NAME)) is not None:
        named = users.named(source.name, comparable(name))
        yield from () if named is None else (named,)
    elif (external_id := pinned(condition, Attribute.EXTERNAL_ID)) is not None:
        yield from users.with_external_id(source.name, external_id)
    else:
        skip = 0
        while chunk := users.list(source.name, skip=skip, limit=_CHUNK):
            skip += len(chunk)
            yield from chunk


def _candidate_groups(
    view: Transaction, source: DirectorySource, condition: Condition
) -> Iterator[DirectoryGroup]:
    groups = view.directory_groups
    if (group_id := pinned(condition, Attribute.ID)) is not None:
        try:
            yield groups.get(source.name, DirectoryId(group_id))
        except (InvalidError, NotFoundError):
            return
    elif (member := pinned(condition, Attribute.MEMBER)) is not None:
        try:
            user = view.directory_users.get(source.name, DirectoryId(member))
        except (InvalidError, NotFoundError):
            return
        yield from groups.of_user(user.id)
    else:
        skip = 0
        while chunk := groups.list(source.name, skip=skip, limit=_CHUNK):
            skip += len(chunk)
            yield from chunk


def _values_of_user(user: DirectoryUser) -> Values:
    profile = user.profile
    values: dict[Attribute, Sequence[str]] = {
        Attribute.ID: (user.id,),
        Attribute.EXTERNAL_ID: _some(profile.external_id),
        Attribute.USER_NAME: (profile.user_name,),
        Attribute.DISPLAY_NAME: _some(profile.display_name),
        Attribute.ACTIVE: ("true" if user.active else "false",),
        Attribute.EMAIL: tuple(email.value for email in profile.emails),
        Attribute.MANAGER: _some(profile.manager),
    }
    return lambda attribute: values.get(attribute, ())


def _values_of_group(view: Transaction, group: DirectoryGroup) -> Values:
    def values(attribute: Attribute) -> Sequence[str]:
        match attribute:
            case Attribute.ID:
                return (group.id,)
            case Attribute.EXTERNAL_ID:
                return _some(group.external_id)
            case Attribute.DISPLAY_NAME:
                return (group.display_name,)
            case Attribute.MEMBER:
                return view.directory_groups.member_ids(group.id)
            case _:
                return ()

    return values


def _some(text: str | None) -> Sequence[str]:
    return () if text is None else (text,)
