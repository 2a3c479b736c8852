"""A directory adds, changes and removes its users; their accounts follow in the same transaction.

Here: uniqueness, versions, and which account a user is. Not here: how an account follows
(directory_accounts), groups (provision_groups), the protocol.

Invariants:
- The same change twice changes nothing the second time, and writes nothing.
- A user whose subject changes is another principal from then on; the former one is cut off.
"""

from __future__ import annotations

from dataclasses import replace

from protem.domain import directory_events
from protem.domain.directories import (
    DirectorySource,
    DirectoryUser,
    OutdatedError,
    TakenError,
    UserProfile,
    comparable,
)
from protem.domain.identifiers import DirectoryId
from protem.domain.principals import PrincipalId
from protem.ports.store import Transaction
from protem.services.directory_accounts import retire_account, sync_account, sync_reports
from protem.services.manage_accounts import tell
from protem.services.surroundings import Surroundings


async def add_user(
    around: Surroundings, source: DirectorySource, profile: UserProfile
) -> DirectoryUser:
    """Add a user and enable the account, unless the profile says inactive.

    Raises:
        TakenError: when the user name or the subject is taken.
        InvalidError: when the profile names no subject.
    """
    now = around.clock.now()
    user = DirectoryUser(
        source=source.name,
        id=DirectoryId(around.randomness.grant_id(now)),
        principal=profile.subject(source),
        profile=replace(profile, active=profile.active is not False),
        version=1,
        created_at=now,
        changed_at=now,
    )

    def work(transaction: Transaction) -> set[PrincipalId]:
        _refuse_taken(transaction, user)
        transaction.directory_users.add(user)
        transaction.audit.append(directory_events.user_changed(source, user, "added", now))
        touched = sync_account(transaction, source, user, now, was_active=None)
        return touched | sync_reports(transaction, source, user.called)

    tell(around, await around.store.write(work))
    return user


async def replace_user(
    around: Surroundings,
    source: DirectorySource,
    user_id: DirectoryId,
    profile: UserProfile,
    *,
    expected: int | None = None,
) -> DirectoryUser:
    """Give a user another profile; what it does not say of ``active`` stays.

    Args:
        around: the ports.
        source: whose user it is.
        user_id: our id.
        profile: the whole of it.
        expected: the version that the caller has seen; None for any.

    Raises:
        NotFoundError: when there is none.
        OutdatedError: when the stored version is another.
        TakenError, InvalidError: as ``add_user``.
    """
    now = around.clock.now()
    principal = profile.subject(source)

    def work(transaction: Transaction) -> tuple[DirectoryUser, set[PrincipalId]]:
        before = _current(transaction, source, user_id, expected)
        active = before.active if profile.active is None else profile.active
        user = replace(before, profile=replace(profile, active=active), principal=principal)
        if user == before:
            return before, set()
        user = replace(user, version=before.version + 1, changed_at=now)
        _refuse_taken(transaction, user)
        transaction.directory_users.save(user)
        transaction.audit.append(directory_events.user_changed(source, user, "changed", now))
        touched: set[PrincipalId] = set()
        was_active: bool | None = before.active
        if user.principal != before.principal:
            touched |= retire_account(transaction, source, before.principal, now)
            was_active = None
        touched |= sync_account(transaction, source, user, now, was_active=was_active)
        names = {*before.called, *user.called}
        return user, touched | sync_reports(transaction, source, sorted(names))

    user, touched = await around.store.write(work)
    tell(around, touched)
    return user


async def remove_user(
    around: Surroundings,
    source: DirectorySource,
    user_id: DirectoryId,
    *,
    expected: int | None = None,
) -> None:
    """Forget a user and cut the account off; the account's name stays, for the log.

    Raises:
        NotFoundError: when there is none.
        OutdatedError: when the stored version is another.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> set[PrincipalId]:
        user = _current(transaction, source, user_id, expected)
        transaction.directory_users.remove(source.name, user.id)
        transaction.audit.append(directory_events.user_changed(source, user, "removed", now))
        touched = retire_account(transaction, source, user.principal, now)
        return touched | sync_reports(transaction, source, user.called)

    tell(around, await around.store.write(work))


def _current(
    transaction: Transaction, source: DirectorySource, user_id: DirectoryId, expected: int | None
) -> DirectoryUser:
    user = transaction.directory_users.get(source.name, user_id)
    if expected is not None and user.version != expected:
        raise OutdatedError(f"user {user_id} is at version {user.version}; read it again")
    return user


def _refuse_taken(transaction: Transaction, user: DirectoryUser) -> None:
    users = transaction.directory_users
    named = users.named(user.source, comparable(user.profile.user_name))
    if named is not None and named.id != user.id:
        raise TakenError("there is already a user of this userName")
    same = users.of_principal(user.principal)
    if same is not None and same.id != user.id:
        raise TakenError("this subject is provisioned already, by this directory or another")
