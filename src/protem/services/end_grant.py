"""End a grant before its time: given back by its owner, or revoked by someone who may.

Here: the change of intent, never refused for want of audit files (law 10); where not even that can
be kept, the target is told at once. Not here: the work otherwise; the reconciler does it.
"""

from __future__ import annotations

from datetime import datetime

from protem.domain import audit_events, grants
from protem.domain.decisions import PolicyAction, refuse_if_denied
from protem.domain.errors import (
    AuditUnavailableError,
    ConflictError,
    NotFoundError,
    ProtemError,
)
from protem.domain.grants import LIVE, EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.policy_questions import about_request
from protem.domain.principals import Principal
from protem.domain.targets import Target
from protem.ports.store import Transaction
from protem.services.activate_grant import lease_work
from protem.services.attempts import end_in_time
from protem.services.surroundings import Surroundings

_UNDER_WAY = (GrantState.ENDING, GrantState.STUCK, GrantState.ENDED)


async def end_grant(around: Surroundings, principal: Principal, grant_id: GrantId) -> Grant:
    """End one's own grant, or revoke another's; harmless when it is ending or ended already.

    Raises:
        NotFoundError: there is no such grant.
        PolicyDeniedError: it is another's and policy does not let the caller revoke it.
        ConflictError: it was never activated (cancel or deny it instead).
        AuditUnavailableError: it could not be put on record; the message says whether it is ended
            at the target all the same.
    """
    now = around.clock.now()

    def work(transaction: Transaction) -> tuple[Grant, bool]:
        grant = transaction.grants.get(grant_id)
        mine = grant.principal == principal.id
        if not mine:
            _refuse_unless_allowed(around, transaction, principal, grant, now)
        if grant.state in _UNDER_WAY:
            return grant, False
        cause = EndCause.GIVEN_BACK if mine else EndCause.REVOKED
        try:
            ending = grants.begin_ending(grant, at=now, cause=cause)
        except ConflictError as error:
            error.next_step = f"protem request cancel {grant.id}" if mine else None
            raise
        transaction.grants.save(ending)
        transaction.audit.append(audit_events.ending(ending, now, str(principal.id)))
        return ending, lease_work(around, transaction, ending, now)

    try:
        grant, leased = await around.store.write(work)
    except AuditUnavailableError as error:
        raise await _ended_off_the_record(around, principal, grant_id, error) from error
    around.announcer.announce(grant.id)
    if leased:
        around.work_queue.hand_over(grant)
    return grant


async def _ended_off_the_record(
    around: Surroundings, principal: Principal, grant_id: GrantId, error: AuditUnavailableError
) -> AuditUnavailableError:
    """End at the target what may be ended, though the intent cannot be kept; return what to say."""
    now = around.clock.now()

    def check(view: Transaction) -> Grant:
        grant = view.grants.get(grant_id)
        if grant.principal != principal.id:
            _refuse_unless_allowed(around, view, principal, grant, now)
        return grant

    grant = await around.store.read(check)
    if grant.state not in LIVE:
        return error
    cause = EndCause.GIVEN_BACK if grant.principal == principal.id else EndCause.REVOKED
    around.work_queue.end_later(grant_id, cause=cause, actor=str(principal.id))
    try:
        await end_in_time(around.catalogue.connector(grant.target), grant.id)
    except ProtemError:
        said = f"{grant_id} is ended neither on record nor at {grant.target}"
    else:
        said = f"{grant_id} is ended at {grant.target}, but not on record"
    return AuditUnavailableError(
        f"{said}: {error.message}",
        next_step=f"the server records it when it can; if it dies before: protem end {grant_id}",
    )


def _refuse_unless_allowed(
    around: Surroundings,
    transaction: Transaction,
    principal: Principal,
    grant: Grant,
    now: datetime,
) -> None:
    revision = transaction.requests.get(grant.id, grant.revision)
    question = about_request(
        PolicyAction.REVOKE,
        revision,
        principal=around.identity.lookup(transaction, principal.id),
        target=_target(around, grant),
        at=now,
        requester=_requester(around, transaction, grant),
    )
    refuse_if_denied(around.policy.decide(question))


def _target(around: Surroundings, grant: Grant) -> Target:
    """Return where the grant is; one that is not declared any more must be revocable all the same.

    Nothing is known of it then but its name, so only rules that need no more can permit.
    """
    try:
        return around.catalogue.target(grant.target)
    except NotFoundError:
        return Target(name=grant.target, scheme="undeclared", labels={})


def _requester(around: Surroundings, transaction: Transaction, grant: Grant) -> Principal:
    """Return whose grant it is; a disabled account's must be revocable all the same."""
    try:
        return around.identity.lookup(transaction, grant.principal)
    except NotFoundError:
        return Principal(id=grant.principal, display=grant.principal.subject)
