"""The audit vocabulary: every event that can be written, and its canonical bytes.

Here: one constructor per event and the versioned encoding. Not here: the tree over the bytes.

Evolution rule: bytes once written are never re-encoded. Within a version, fields are only added to
``data``; readers ignore fields they do not know. Anything else raises ``VERSION``.

Invariants: no event carries a secret, a public half, or a value from a target's rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from protem.domain import canonical_json
from protem.domain.approvals import Approval, Verdict
from protem.domain.canonical_json import JsonValue
from protem.domain.decisions import ApprovalRequirement, Decision
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import format_instant
from protem.domain.observations import TargetStatement
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision

VERSION = 1
SYSTEM = "protem"
"""The actor of what nobody ordered in person: expiry, retries, sweeps."""
MOST_LISTED = 100
"""Names in one list of an entry; a count says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened.

    Attributes:
        kind: ``noun.verb``; each has one constructor in the domain.
        actor: ``issuer|subject``, or ``protem``.
        grant_id: the grant concerned, if any.
        sequence: the grant's version after the event, so that gaps and repeats show.
    """

    kind: str
    at: datetime
    actor: str
    grant_id: GrantId | None = None
    sequence: int | None = None
    target: TargetName | None = None
    data: Mapping[str, JsonValue] = field(default_factory=dict)

    def canonical_bytes(self) -> bytes:
        """Return the log entry: canonical JSON with a version marker first in meaning."""
        return canonical_json.encode(
            {
                "v": VERSION,
                "kind": self.kind,
                "at": format_instant(self.at),
                "actor": self.actor,
                "grant": self.grant_id,
                "seq": self.sequence,
                "target": self.target,
                "data": self.data,
            }
        )


def of_grant(kind: str, grant: Grant, at: datetime, actor: str, **data: JsonValue) -> AuditEvent:
    """Return an event of one grant's life, with its state and version."""
    return AuditEvent(
        kind=kind,
        at=at,
        actor=actor,
        grant_id=grant.id,
        sequence=grant.version,
        target=grant.target,
        data={"state": grant.state, **data},
    )


def requested(
    grant: Grant, revision: RequestRevision, decision: Decision, at: datetime
) -> AuditEvent:
    """Someone asked; the whole request and the first decision are on record."""
    return _of_revision("request.created", grant, revision, decision, at)


def revised(
    grant: Grant, revision: RequestRevision, decision: Decision, at: datetime
) -> AuditEvent:
    """The request was edited, or an extension proposed; earlier approvals do not count for it."""
    return _of_revision("request.revised", grant, revision, decision, at)


def _of_revision(
    kind: str, grant: Grant, revision: RequestRevision, decision: Decision, at: datetime
) -> AuditEvent:
    return of_grant(
        kind,
        grant,
        at,
        str(revision.principal),
        request=revision.to_json(),
        digest=revision.digest,
        decision=decision.to_json(),
    )


def reviewed(
    grant: Grant,
    approval: Approval,
    through: Iterable[PrincipalId] = (),
    *,
    by_link: str = "",
    by_chat: str = "",
) -> AuditEvent:
    """A reviewer said yes or no to one digest, perhaps in place of others or by a link."""
    kind = "request.approved" if approval.verdict is Verdict.APPROVE else "request.denied"
    stood_in_for: list[JsonValue] = [*sorted(map(str, through))]
    more: dict[str, JsonValue] = {"stood_in_for": stood_in_for} if stood_in_for else {}
    if by_link:
        more["answered_by_link_of"] = by_link
    if by_chat:
        more["answered_in_chat"] = by_chat
    return of_grant(
        kind, grant, approval.at, str(approval.reviewer), approval=approval.to_json(), **more
    )


def allowed(grant: Grant, decision: Decision, at: datetime) -> AuditEvent:
    """Policy needed nobody: the request was approved by rule."""
    return of_grant("request.allowed", grant, at, SYSTEM, policy_digest=decision.policy_digest)


def closed_unused(grant: Grant, at: datetime, actor: str) -> AuditEvent:
    """A request was denied by policy, cancelled, or lapsed: the state says which."""
    return of_grant(f"request.{grant.state}", grant, at, actor)


def activated(
    grant: Grant,
    at: datetime,
    digest: str,
    approvers: tuple[PrincipalId, ...],
    needs: Sequence[ApprovalRequirement] = (),
) -> AuditEvent:
    """The intent to provision is on record before the target is touched (law 1)."""
    return of_grant(
        "grant.activated",
        grant,
        at,
        str(grant.principal),
        digest=digest,
        approvers=[str(approver) for approver in approvers],
        name_at_target=grant.id.name_at_target,
        expires_at=None if grant.expires_at is None else format_instant(grant.expires_at),
        **_signed_needs(needs),
    )


def _signed_needs(needs: Sequence[ApprovalRequirement]) -> dict[str, JsonValue]:
    """Return what had to be signed, for those who verify the log; nothing where nothing had."""
    if all(need.signed is None for need in needs):
        return {}
    return {"approvals_needed": [need.to_json() for need in needs]}


def provisioned(grant: Grant, at: datetime) -> AuditEvent:
    """The target holds the privilege until the recorded moment."""
    return of_grant(
        "grant.provisioned",
        grant,
        at,
        SYSTEM,
        applied_until=None if grant.applied_until is None else format_instant(grant.applied_until),
    )


def extended(
    grant: Grant,
    at: datetime,
    actor: str,
    digest: str,
    needs: Sequence[ApprovalRequirement] = (),
) -> AuditEvent:
    """The expiry moved, by a decision of its own."""
    return of_grant(
        "grant.extended",
        grant,
        at,
        actor,
        digest=digest,
        expires_at=None if grant.expires_at is None else format_instant(grant.expires_at),
        **_signed_needs(needs),
    )


def ending(grant: Grant, at: datetime, actor: str) -> AuditEvent:
    """The intent to end is on record, with its cause."""
    return of_grant("grant.ending", grant, at, actor, cause=grant.end_cause)


def attempt_failed(grant: Grant, at: datetime) -> AuditEvent:
    """The target did not do what was due; it will be tried again."""
    return of_grant(
        "grant.attempt_failed", grant, at, SYSTEM, error=grant.last_error, attempts=grant.attempts
    )


def unsettled(grant: Grant, at: datetime) -> AuditEvent:
    """An attempt that was overtaken, or whose process died, may still take effect until then."""
    until = None if grant.unsettled_until is None else format_instant(grant.unsettled_until)
    return of_grant("grant.unsettled", grant, at, SYSTEM, until=until)


def look_again(grant: Grant, at: datetime) -> AuditEvent:
    """Nothing is at the target, but a late call may still arrive: it is read again when due."""
    due = None if grant.due_at is None else format_instant(grant.due_at)
    return of_grant("grant.looked_at", grant, at, SYSTEM, again_at=due)


def ended(grant: Grant, at: datetime) -> AuditEvent:
    """The target was read back and shows nothing of this grant (law 4)."""
    return of_grant("grant.ended", grant, at, SYSTEM, cause=grant.end_cause)


def orphan_ended(target: TargetName, name: str, at: datetime) -> AuditEvent:
    """A marked privilege that no grant explained was removed."""
    return AuditEvent(
        kind="orphan.ended", at=at, actor=SYSTEM, target=target, data={"name_at_target": name}
    )


def target_observed(target: TargetName, statement: TargetStatement) -> AuditEvent:
    """Target T read at time t: privileges P, explained by grants G, n orphans.

    Long lists are cut after ``MOST_LISTED``; the count and the digest are of the whole. Of
    ``closes`` nothing is cut: callers write several statements of one look instead.
    """
    observed = statement.observation
    names = sorted(privilege.name for privilege in observed.privileges)
    return AuditEvent(
        kind="target.observed",
        at=statement.began_at,
        actor=SYSTEM,
        target=target,
        data={
            "read_at": format_instant(observed.at),
            "privileges": names[:MOST_LISTED],
            "privilege_count": len(names),
            "privileges_sha256": digest_of_names(names),
            "explained_by": sorted(statement.explained_by)[:MOST_LISTED],
            "explained_count": len(statement.explained_by),
            "orphans": len(statement.orphans),
            "orphan_names": sorted(statement.orphans)[:MOST_LISTED],
            "orphans_left": len(statement.orphans_left),
            "deviations": [
                [found.name, found.deviation] for found in observed.privileges if found.deviation
            ][:MOST_LISTED],
            "sessions": len(observed.sessions),
            "strays": statement.strays,
            "closes": sorted(statement.closes),
        },
    )


def digest_of_names(names: Iterable[str]) -> str:
    """Return the SHA-256, in hex, over the sorted names, each followed by a line feed."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


def hurried(grant: Grant, at: datetime) -> AuditEvent:
    """What waited by a clock that was wrong is due again."""
    return of_grant("grant.hurried", grant, at, SYSTEM)


def clock_trusted(actor: str, was: datetime, now: datetime) -> AuditEvent:
    """A person vouched for the clock: time was ahead by mistake and starts again from now."""
    return AuditEvent(
        kind="clock.trusted",
        at=now,
        actor=actor,
        data={"was": format_instant(was), "now": format_instant(now)},
    )


def account_changed(actor: str, subject: PrincipalId, change: str, at: datetime) -> AuditEvent:
    """A local account was made, changed, disabled, or given a token (never the token)."""
    return AuditEvent(
        kind="account.changed",
        at=at,
        actor=actor,
        data={"subject": str(subject), "change": change},
    )


def signed_in(subject: PrincipalId, at: datetime, by: str | None = None) -> AuditEvent:
    """Someone proved who they are and got a session token; ``by`` names the provider asked."""
    data: dict[str, JsonValue] = {} if by is None else {"by": by}
    return AuditEvent(kind="account.signed_in", at=at, actor=str(subject), data=data)
