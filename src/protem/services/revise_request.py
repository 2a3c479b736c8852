"""Edit a request before it is used: a new revision, before approvers again (law 6).

Here: another command, duration, reason, ticket or evidence for the same target. Not here:
extensions of an active grant (extend_grant).
"""

from __future__ import annotations

from protem.domain import audit_events, grants
from protem.domain.decisions import Outcome, PolicyAction, refuse_if_denied
from protem.domain.errors import ConflictError
from protem.domain.identifiers import GrantId
from protem.domain.notices import open_requirements
from protem.domain.principals import Principal
from protem.ports.store import Transaction
from protem.services.activate_grant import own_grant
from protem.services.ask_policy import ask_policy
from protem.services.collect_evidence import collect_evidence
from protem.services.plan_command import Ask, draft_revision
from protem.services.request_access import AccessRequested
from protem.services.surroundings import Surroundings
from protem.services.tell_people import tell_reviewers


async def revise_request(
    around: Surroundings, principal: Principal, grant_id: GrantId, ask: Ask
) -> AccessRequested:
    """Replace what is asked; approvals given so far are void.

    Raises:
        NotFoundError: when it is not the caller's.
        ConflictError: when it is past editing, or another edit came first, or the target differs.
        PolicyDeniedError: when policy denies the new content; the old request stays as it was.
    """
    around.check_ready_to_grant()
    number = await around.store.read(lambda view: _next_number(view, principal, grant_id, ask))
    drafted = await draft_revision(around, principal, ask, grant_id=grant_id, number=number)
    revision = await collect_evidence(around, principal, drafted, explain=ask.explain)
    now = around.clock.now()

    def work(transaction: Transaction) -> AccessRequested:
        grant = own_grant(transaction, principal, grant_id)
        requester = around.identity.lookup(transaction, principal.id)
        decision = refuse_if_denied(
            ask_policy(around, PolicyAction.REQUEST, revision, principal=requester, at=now)
        )
        begins = revision.begins(now)
        lapses_at = begins + around.limits.request_lapses_after
        edited = grants.reopen(grant, revision=number, duration=ask.duration, lapses_at=lapses_at)
        transaction.requests.add(revision)
        transaction.grants.save(edited)
        transaction.audit.append(audit_events.revised(edited, revision, decision, now))
        if decision.outcome is Outcome.ALLOWED:
            unused = begins + around.limits.approval_lapses_after
            edited = grants.approve(edited, lapses_at=unused)
            transaction.grants.save(edited)
            transaction.audit.append(audit_events.allowed(edited, decision, now))
        else:
            asked = open_requirements(decision)
            tell_reviewers(around, transaction, edited, revision, asked, now)
        return AccessRequested(grant=edited, revision=revision, decision=decision)

    asked = await around.store.write(work)
    around.announcer.announce(grant_id)
    return asked


def _next_number(view: Transaction, principal: Principal, grant_id: GrantId, ask: Ask) -> int:
    grant = own_grant(view, principal, grant_id)
    if grant.target != ask.target:
        raise ConflictError("a request keeps its target; ask anew for another one")
    return view.requests.latest_number(grant_id) + 1
