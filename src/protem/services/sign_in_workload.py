"""Exchange a workload's own token for a short session.

Here: the exchange, the account that the workload gets, and that a proof is spent once. Not here:
what a token proves (the workload prover port).

Invariants: a disabled account gets no session, whoever vouches for it; an account of a person never
becomes a workload's; proof and session are one transaction, so a proof is spent exactly when a
session came of it.
"""

from __future__ import annotations

from protem.domain import audit_events
from protem.domain.errors import ConflictError, NotFoundError, UnauthenticatedError
from protem.domain.principals import PrincipalKind
from protem.domain.proved_workloads import ProvedWorkload
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInMethod
from protem.ports.identity_provider import RemembersPrincipals
from protem.ports.store import Account, Transaction
from protem.ports.workload_prover import WorkloadProver
from protem.services.open_session import NewSession, new_session, open_session
from protem.services.sign_in import SignedIn
from protem.services.surroundings import Surroundings


async def sign_in_workload(
    around: Surroundings, prover: WorkloadProver, token: Secret, *, client: str = ""
) -> SignedIn:
    """Return a session of the workload that ``token`` proves.

    Raises:
        UnauthenticatedError: it proves none, was used before, or the account is disabled.
        IdentityProviderError: the token's issuer is away.
    """
    proved = await prover.prove(token)
    new = new_session(
        around, SignInMethod.WORKLOAD, by=proved.table, client=client, lifetime=proved.session
    )
    await around.store.write(lambda transaction: _begin(transaction, proved, new))
    if isinstance(around.identity, RemembersPrincipals):
        around.identity.forget(proved.principal.id)
    around.announcer.announce()
    return SignedIn(token=new.token, expires_at=new.expires_at, principal=proved.principal)


def _begin(transaction: Transaction, proved: ProvedWorkload, new: NewSession) -> None:
    if proved.digest is not None:
        try:
            transaction.spent_proofs.spend(proved.digest, until=proved.until)
        except ConflictError as error:
            raise UnauthenticatedError(
                "this workload token was used before",
                next_step="let the CI service or the cluster issue a new one",
            ) from error
    principal = proved.principal
    known = _account(transaction, proved)
    if known is not None and known.principal.kind is not PrincipalKind.WORKLOAD:
        raise UnauthenticatedError("this account is not a workload's")
    if known is not None and known.disabled:
        raise UnauthenticatedError("this account may not sign in")
    if known is None or known.principal != principal:
        transaction.accounts.put(Account(principal=principal))
        change = f"{'added' if known is None else 'changed'} at sign-in by {proved.table}"
        transaction.audit.append(
            audit_events.account_changed(audit_events.SYSTEM, principal.id, change, new.began_at)
        )
    open_session(transaction, principal.id, new)


def _account(transaction: Transaction, proved: ProvedWorkload) -> Account | None:
    try:
        return transaction.accounts.get(proved.principal.id)
    except NotFoundError:
        return None
