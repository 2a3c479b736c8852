"""What the log says about broken glass.

Here: constructors of the entries. Not here: when they are written.

Invariants: a code is never in an entry; what alarms came to is in the same entry as what they were
raised for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.audit_events import AuditEvent, of_grant
from protem.domain.broken_glass import AlarmOutcome, GlassReview, outcomes_json
from protem.domain.decisions import Decision
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import format_instant
from protem.domain.principals import PrincipalId


def glass_broken(
    grant: Grant, decision: Decision, at: datetime, alarms: Sequence[AlarmOutcome]
) -> AuditEvent:
    """Someone took access in an emergency; the alarms were raised before, with these outcomes."""
    return of_grant(
        "grant.glass_broken",
        grant,
        at,
        str(grant.principal),
        policy_digest=decision.policy_digest,
        alarms=outcomes_json(alarms),
    )


def glass_reviewed(
    grant_id: GrantId, target: TargetName, review: GlassReview, due_at: datetime
) -> AuditEvent:
    """Another person judged it; the grant itself does not change."""
    return AuditEvent(
        kind="glass.reviewed",
        at=review.at,
        actor=str(review.reviewer),
        target=target,
        data={"of": grant_id, "due_at": format_instant(due_at), **review.to_json()},
    )


def codes_made(
    actor: str, owner: PrincipalId, at: datetime, count: int, expires_at: datetime
) -> AuditEvent:
    """An account got codes for a sealed envelope; those it had before are void."""
    return AuditEvent(
        kind="glass.codes_made",
        at=at,
        actor=actor,
        data={"subject": str(owner), "count": count, "expires_at": format_instant(expires_at)},
    )


def code_used(
    owner: PrincipalId, at: datetime, left: int, alarms: Sequence[AlarmOutcome]
) -> AuditEvent:
    """Someone signed in with a code; the alarms were raised before, with these outcomes."""
    return AuditEvent(
        kind="glass.code_used",
        at=at,
        actor=str(owner),
        data={"left": left, "alarms": outcomes_json(alarms)},
    )
