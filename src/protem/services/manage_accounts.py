"""Local accounts: add, declare from a file, disable, give a one-time token.

Here: each change with its audit entry, and what disabling drags along. Not here: who may do this
(the caller asks policy's ``administer``), or proving identity (the identity port).

Invariants:
- Disabling drops every token and ends or cancels everything of the account and of the agents that
  act for it, in one transaction.
- A file's accounts follow the file: one that it no longer names is disabled. Accounts that were
  made by command are never touched by a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.bearer_tokens import ONE_TIME_LIFETIME, fingerprint
from protem.domain.errors import ConflictError, InvalidError, NotFoundError
from protem.domain.grants import EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId, GroupName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.secret import Secret
from protem.ports.identity_provider import RemembersPrincipals
from protem.ports.store import Account, Transaction
from protem.services.surroundings import Surroundings

DECLARED = GroupName("protem:declared")
"""The group of every account that comes from the settings file."""
_UNUSED = (GrantState.PENDING, GrantState.APPROVED)
_USABLE = (GrantState.PROVISIONING, GrantState.ACTIVE)
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeToken:
    """Shown once, used once."""

    token: Secret
    expires_at: datetime


async def list_accounts(around: Surroundings) -> Sequence[Account]:
    """Return all local accounts, by subject."""
    return await around.store.read(lambda view: view.accounts.list())


async def add_account(around: Surroundings, actor: str, principal: Principal) -> Account:
    """Add an account by command.

    Raises:
        ConflictError: when the subject exists, enabled or not.
        InvalidError: when an agent acts for nobody known, or a person or workload for somebody.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> Account:
        if _find(transaction, principal.id) is not None:
            raise ConflictError(f"there is already an account {principal.id.subject}")
        if DECLARED in principal.groups:
            raise InvalidError(f"only the settings file puts accounts into {DECLARED}")
        _check_kind(transaction, principal)
        return _put(transaction, account_of(principal), actor, "added", now)

    account = await around.store.write(work)
    around.announcer.announce()
    return account


async def declare_accounts(around: Surroundings, declared: Sequence[Principal]) -> None:
    """Make the file's accounts as ``declared`` says: added, changed, enabled again or disabled.

    Raises:
        ConflictError: when one of them was made by command.
        InvalidError: as ``add_account``.
    """
    now = around.clock.now()
    wanted = {
        principal.id: replace(principal, groups=principal.groups | {DECLARED})
        for principal in declared
    }

    def work(transaction: Transaction) -> set[PrincipalId]:
        known = {account.principal.id: account for account in transaction.accounts.list()}
        changed = set()
        for principal in sorted(wanted.values(), key=_agents_last):
            before = known.get(principal.id)
            if before is not None and DECLARED not in before.principal.groups:
                raise ConflictError(
                    f"account {principal.id.subject} was made by command, yet the file names it",
                    next_step="take it out of [identity.local.users], or choose another name",
                )
            _check_kind(transaction, principal)
            if before != (account := account_of(principal)):
                _put(transaction, account, audit_events.SYSTEM, "declared", now)
                changed.add(principal.id)
        for known_id, account in known.items():
            gone = known_id not in wanted and DECLARED in account.principal.groups
            if gone and not account.disabled:
                _, touched = disable_in(transaction, account, audit_events.SYSTEM, now)
                changed |= touched
        return changed

    tell(around, await around.store.write(work))


async def disable_account(around: Surroundings, actor: str, subject: PrincipalId) -> Account:
    """Disable it, drop its tokens, end and cancel what it holds; harmless when disabled already.

    Raises:
        NotFoundError: when there is none.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> tuple[Account, set[PrincipalId]]:
        account = transaction.accounts.get(subject)
        if account.disabled:
            return account, set()
        return disable_in(transaction, account, actor, now)

    account, touched = await around.store.write(work)
    tell(around, touched | {subject})
    return account


async def issue_token(around: Surroundings, actor: str, subject: PrincipalId) -> OneTimeToken:
    """Give an account a one-time sign-in token; the answer is the only place that shows it.

    Raises:
        NotFoundError: when there is no such account.
        ConflictError: when it is disabled.
    """
    now = around.clock.now()
    token = around.randomness.token()
    expires_at = now + ONE_TIME_LIFETIME

    def work(transaction: Transaction) -> None:
        if transaction.accounts.get(subject).disabled:
            raise ConflictError(f"account {subject.subject} is disabled")
        transaction.accounts.add_token(
            token_hash=fingerprint(token), owner=subject, expires_at=expires_at, single_use=True
        )
        transaction.audit.append(
            audit_events.account_changed(actor, subject, "given a one-time token", now)
        )

    await around.store.write(work)
    around.announcer.announce()
    return OneTimeToken(token=token, expires_at=expires_at)


def account_of(principal: Principal) -> Account:
    """Return the account that keeps ``principal``, its manager beside it."""
    return Account(principal=replace(principal, manager=None), manager=principal.manager)


def _agents_last(principal: Principal) -> tuple[bool, str]:
    return principal.kind is PrincipalKind.AGENT, str(principal.id)


def _find(transaction: Transaction, principal_id: PrincipalId) -> Account | None:
    try:
        return transaction.accounts.get(principal_id)
    except NotFoundError:
        return None


def _check_kind(transaction: Transaction, principal: Principal) -> None:
    subject = principal.id.subject
    if principal.kind is not PrincipalKind.AGENT:
        if principal.acts_for is not None:
            raise InvalidError(f"{subject} is no agent and acts for nobody but itself")
        return
    if principal.acts_for is None:
        raise InvalidError(f"agent {subject} must say for which person it acts (acts_for)")
    person = _find(transaction, principal.acts_for)
    if person is None or person.principal.kind is not PrincipalKind.PERSON:
        raise InvalidError(f"agent {subject} acts for {principal.acts_for.subject}: no such person")


def _put(
    transaction: Transaction, account: Account, actor: str, change: str, now: datetime
) -> Account:
    transaction.accounts.put(account)
    transaction.audit.append(audit_events.account_changed(actor, account.principal.id, change, now))
    return account


def disable_in(
    transaction: Transaction, account: Account, actor: str, now: datetime
) -> tuple[Account, set[PrincipalId]]:
    """Disable inside a transaction: tokens are dropped, what is open ends or is cancelled.

    Returns:
        The disabled account, and everyone whose sessions or grants this touched; ``tell`` them
        after the commit.
    """
    agents = [agent.principal.id for agent in transaction.accounts.agents_of(account.principal.id)]
    disabled = _put(transaction, replace(account, disabled=True), actor, "disabled", now)
    transaction.glass_codes.replace(account.principal.id, (), expires_at=now)
    for principal_id in [account.principal.id, *agents]:
        transaction.accounts.drop_tokens(principal_id)
        for grant in _open_grants(transaction, principal_id):
            _stop(transaction, grant, actor, now)
    return disabled, {account.principal.id, *agents}


def _open_grants(transaction: Transaction, principal_id: PrincipalId) -> Iterable[Grant]:
    before: GrantId | None = None
    while page := transaction.grants.list(
        states=(*_UNUSED, *_USABLE), principal=principal_id, before=before, limit=_PAGE
    ):
        before = page[-1].id
        yield from page


def _stop(transaction: Transaction, grant: Grant, actor: str, now: datetime) -> None:
    if grant.state in _UNUSED:
        stopped = grants.cancel(grant, at=now)
        event = audit_events.closed_unused(stopped, now, actor)
    else:
        stopped = grants.begin_ending(grant, at=now, cause=EndCause.PRINCIPAL_DISABLED)
        event = audit_events.ending(stopped, now, actor)
    transaction.grants.save(stopped)
    transaction.audit.append(event)


def tell(around: Surroundings, changed: Iterable[PrincipalId]) -> None:
    """Forget remembered proofs, and wake the reconciler: what must end is due now."""
    if isinstance(around.identity, RemembersPrincipals):
        for principal_id in changed:
            around.identity.forget(principal_id)
    around.announcer.announce()
