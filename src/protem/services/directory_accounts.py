"""From a directory's users to accounts: who may act, in which groups, under which manager.

Here: bringing one account into line inside a transaction. Not here: what the directory says
(provision_users, provision_groups), or what ends when an account is disabled (manage_accounts).

Invariants:
- An account that the directory did not disable is not enabled by it: only a change from inactive
  to active does, or a user who comes anew.
- Memberships and managers take effect at the next decision; a person who may no longer act is cut
  off in this transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from protem.domain import audit_events
from protem.domain.directories import DirectorySource, DirectoryUser, comparable
from protem.domain.errors import InvalidError, NotFoundError
from protem.domain.identifiers import DirectoryId
from protem.domain.principals import Principal, PrincipalId
from protem.ports.store import Account, Transaction
from protem.services.manage_accounts import disable_in


def sync_account(
    transaction: Transaction,
    source: DirectorySource,
    user: DirectoryUser,
    now: datetime,
    *,
    was_active: bool | None,
) -> set[PrincipalId]:
    """Make the account say what the directory says; return whose proofs are to be forgotten.

    Args:
        transaction: where the user is stored already.
        source: whose user it is.
        user: as stored.
        now: for the log.
        was_active: what the directory said before; None for a user who is new.
    """
    before = _account_of(transaction, user.principal)
    enabled_before = before is not None and not before.disabled
    disabled = not enabled_before if was_active == user.active else not user.active
    account = Account(
        principal=Principal(
            id=user.principal,
            display=user.profile.display,
            groups=frozenset(group.name for group in transaction.directory_groups.of_user(user.id)),
        ),
        disabled=disabled,
        manager=_manager_of(transaction, user),
    )
    if account == before:
        return set()
    if disabled and enabled_before:
        _, touched = disable_in(transaction, replace(account, disabled=False), source.actor, now)
        return touched
    transaction.accounts.put(account)
    if not enabled_before and not disabled:
        change = "provisioned" if before is None else "enabled"
        transaction.audit.append(
            audit_events.account_changed(source.actor, user.principal, change, now)
        )
    return {user.principal}


def retire_account(
    transaction: Transaction, source: DirectorySource, principal_id: PrincipalId, now: datetime
) -> set[PrincipalId]:
    """Leave nothing of an account but its name; return whose proofs are to be forgotten."""
    before = _account_of(transaction, principal_id)
    if before is None:
        return set()
    bare = Account(
        principal=Principal(id=principal_id, display=before.principal.display),
        disabled=before.disabled,
    )
    if before.disabled:
        transaction.accounts.put(bare)
        return {principal_id}
    _, touched = disable_in(transaction, bare, source.actor, now)
    return touched


def sync_reports(
    transaction: Transaction, source: DirectorySource, names: Collection[str]
) -> set[PrincipalId]:
    """Look up the manager anew of everyone whose manager is called one of ``names``."""
    changed = set()
    for report in transaction.directory_users.with_manager(source.name, names):
        account = _account_of(transaction, report.principal)
        manager = _manager_of(transaction, report)
        if account is not None and account.manager != manager:
            transaction.accounts.put(replace(account, manager=manager))
            changed.add(report.principal)
    return changed


def _account_of(transaction: Transaction, principal_id: PrincipalId) -> Account | None:
    try:
        return transaction.accounts.get(principal_id)
    except NotFoundError:
        return None


def _manager_of(transaction: Transaction, user: DirectoryUser) -> PrincipalId | None:
    """Return whom the profile means: an id of ours, else an external id, else a user name."""
    name = user.profile.manager
    if name is None:
        return None
    users = transaction.directory_users
    try:
        return users.get(user.source, DirectoryId(name)).principal
    except (InvalidError, NotFoundError):
        pass
    found = users.with_external_id(user.source, name)
    if len(found) == 1:
        return found[0].principal
    named = users.named(user.source, comparable(name))
    return named.principal if named is not None and named.profile.user_name == name else None
