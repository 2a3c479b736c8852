"""Begin a session, by a one-time token or by a provider's word, and end one.

Here: the exchange, the account that a provider's person gets, and the audit entries. Not here:
proving a session on each call (the identity port), proving people (the sign-in provider port), or
making one-time tokens (manage_accounts).

Invariants: a disabled account gets no session, whoever vouches for it; what a provider says of
somebody changes that account alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain import audit_events, session_events
from protem.domain.bearer_tokens import SESSION_LIFETIME, fingerprint
from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.proved_people import Departure, ProvedPerson
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInMethod
from protem.ports.identity_provider import RemembersPrincipals
from protem.ports.store import Account, Transaction
from protem.services.glass_codes import alarm_of_code, use_code
from protem.services.open_session import new_session, open_session
from protem.services.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A fresh session."""

    token: Secret
    expires_at: datetime
    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRules:
    """What follows from a provider's word.

    Attributes:
        session: how long a session lasts, used or not.
        provisioned_only: accounts and groups come from a directory; the provider only proves.
    """

    session: timedelta = SESSION_LIFETIME
    provisioned_only: bool = False


async def sign_in(around: Surroundings, one_time: Secret, *, client: str = "") -> SignedIn:
    """Use up ``one_time`` and return a session of its owner.

    Args:
        around: the ports.
        one_time: what the caller shows: a one-time token, or a code from a sealed envelope.
        client: what its program says of itself.

    Raises:
        UnauthenticatedError: unknown, expired or used token, or a disabled account.
    """
    alarms = await alarm_of_code(around, one_time)
    new = new_session(around, SignInMethod.ONE_TIME_TOKEN, client=client)

    def work(transaction: Transaction) -> Principal:
        if alarms is None:
            owner = transaction.accounts.owner_of(
                fingerprint(one_time), now=new.began_at, single_use=True
            )
        else:
            owner = use_code(transaction, one_time, alarms, new.began_at)
        try:
            principal = around.identity.lookup(transaction, owner)
        except NotFoundError as error:
            raise UnauthenticatedError("this account may not sign in") from error
        open_session(transaction, owner, new)
        return principal

    principal = await around.store.write(work)
    around.announcer.announce()
    return SignedIn(token=new.token, expires_at=new.expires_at, principal=principal)


async def sign_in_proved(
    around: Surroundings, proved: ProvedPerson, rules: SignInRules, *, client: str = ""
) -> SignedIn:
    """Return a session of a person whom a provider vouches for; the account follows what it says.

    Raises:
        UnauthenticatedError: the account is disabled, or unknown where a directory must name it.
    """
    new = new_session(
        around, SignInMethod.OIDC, by=proved.provider, client=client, lifetime=rules.session
    )

    def work(transaction: Transaction) -> Principal:
        principal = _known_person(transaction, proved, rules, new.began_at)
        open_session(transaction, principal.id, new, proved.marks)
        return principal

    principal = await around.store.write(work)
    _forget(around, principal.id)
    around.announcer.announce()
    return SignedIn(token=new.token, expires_at=new.expires_at, principal=principal)


async def end_sessions(around: Surroundings, left: Departure, provider: str) -> int:
    """End every session of a person who left a provider; return how many there were.

    Raises:
        ConflictError: the same announcement came before.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> tuple[Sequence[PrincipalId], int]:
        transaction.spent_proofs.spend(left.digest, until=left.until)
        gone = [left.person] if left.person else transaction.sessions.marked(left.mark)
        dropped = 0
        for person in gone:
            of_theirs = transaction.accounts.drop_tokens(person)
            if of_theirs:
                transaction.audit.append(
                    audit_events.account_changed(
                        audit_events.SYSTEM, person, f"signed out by {provider}", now
                    )
                )
            dropped += of_theirs
        return gone, dropped

    gone, dropped = await around.store.write(work)
    for person in gone:
        _forget(around, person)
    return dropped


async def sign_out(around: Surroundings, principal: Principal, session: Secret) -> None:
    """Forget one session; harmless when it is gone already."""
    now, token_hash = around.clock.now(), fingerprint(session)

    def work(transaction: Transaction) -> None:
        facts = transaction.sessions.find(token_hash)
        if facts is not None:
            transaction.audit.append(session_events.ended(facts, str(principal.id), now))
        transaction.accounts.drop_token(token_hash)

    await around.store.write(work)
    _forget(around, principal.id)


def _known_person(
    transaction: Transaction, proved: ProvedPerson, rules: SignInRules, now: datetime
) -> Principal:
    """Return the principal of the account, made or changed as the provider says."""
    known = _account(transaction, proved.id)
    if known is None and rules.provisioned_only:
        raise UnauthenticatedError(
            "nobody has provisioned an account for you",
            next_step="ask an administrator to assign you to Protem in the directory",
        )
    if known is not None and known.disabled:
        raise UnauthenticatedError("this account may not sign in")
    before = known.principal if known is not None else None
    if before is not None and before.kind is not PrincipalKind.PERSON:
        raise UnauthenticatedError("this account is not a person's")
    groups = proved.groups
    if groups is None or rules.provisioned_only:
        groups = before.groups if before is not None else frozenset()
    principal = Principal(id=proved.id, display=proved.display, groups=groups)
    if before != principal:
        account = replace(known, principal=principal) if known else Account(principal=principal)
        transaction.accounts.put(account)
        change = f"{'added' if before is None else 'changed'} at sign-in by {proved.provider}"
        transaction.audit.append(
            audit_events.account_changed(audit_events.SYSTEM, proved.id, change, now)
        )
    return principal


def _account(transaction: Transaction, principal_id: PrincipalId) -> Account | None:
    try:
        return transaction.accounts.get(principal_id)
    except NotFoundError:
        return None


def _forget(around: Surroundings, principal_id: PrincipalId) -> None:
    if isinstance(around.identity, RemembersPrincipals):
        around.identity.forget(principal_id)
