"""Audit events of reviews beyond a yes or no: offers, comments, delegations, rotas.

Here: one constructor per event. Not here: the encoding (``audit_events``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from protem.domain.approvals import Approval
from protem.domain.audit_events import SYSTEM, AuditEvent, of_grant
from protem.domain.comments import Comment
from protem.domain.decisions import Decision
from protem.domain.delegations import Delegation
from protem.domain.grants import Grant
from protem.domain.oncall import ScheduleName
from protem.domain.requests import RequestRevision


def offered(grant: Grant, revision: RequestRevision, approval: Approval) -> AuditEvent:
    """A reviewer offers a narrower revision, and says yes to exactly that."""
    return of_grant(
        "request.offered",
        grant,
        approval.at,
        str(approval.reviewer),
        request=revision.to_json(),
        digest=revision.digest,
        approval=approval.to_json(),
    )


def offer_accepted(
    grant: Grant, revision: RequestRevision, decision: Decision, at: datetime
) -> AuditEvent:
    """The requester took a narrower revision; from here it is the request."""
    return of_grant(
        "request.narrowed",
        grant,
        at,
        str(revision.principal),
        revision=revision.number,
        digest=revision.digest,
        decision=decision.to_json(),
    )


def quorate(grant: Grant, approvals: Iterable[Approval], at: datetime) -> AuditEvent:
    """The approvals that an accepted offer brought along are enough."""
    return of_grant(
        "request.quorate",
        grant,
        at,
        SYSTEM,
        reviewers=[str(given.reviewer) for given in approvals],
    )


def commented(grant: Grant, comment: Comment) -> AuditEvent:
    """Somebody said something about a request."""
    return of_grant(
        "request.commented", grant, comment.at, str(comment.author), comment=comment.to_json()
    )


def delegated(delegation: Delegation, actor: str) -> AuditEvent:
    """Somebody lets another one stand in until a moment."""
    return AuditEvent(
        kind="delegation.added",
        at=delegation.made_at,
        actor=actor,
        data={"delegation": delegation.to_json()},
    )


def delegation_ended(delegation: Delegation, actor: str, at: datetime) -> AuditEvent:
    """A delegation was ended before its time."""
    return AuditEvent(
        kind="delegation.ended", at=at, actor=actor, data={"delegation": delegation.to_json()}
    )


def oncall_changed(
    schedule: ScheduleName, on_call: Iterable[str], unknown: Iterable[str], at: datetime
) -> AuditEvent:
    """Others than before are on call by a schedule."""
    return AuditEvent(
        kind="oncall.changed",
        at=at,
        actor=SYSTEM,
        data={"schedule": schedule, "on_call": sorted(on_call), "unknown": sorted(unknown)},
    )
