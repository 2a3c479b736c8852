"""Revisions and verdicts to rows and back.

Here: the canonical form, kept as it was digested, and beside it what the digest leaves out.

Invariants: a revision read back is checked against its digest, so that a row changed behind our
back is an error and not a request.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from protem.domain import canonical_json
from protem.domain.approvals import Approval, Verdict
from protem.domain.commands import Command
from protem.domain.errors import ConflictError
from protem.domain.evidence import Evidence
from protem.domain.identifiers import GrantId, ProfileName, TargetName
from protem.domain.instants import parse_instant
from protem.domain.plans import Finding, Plan, Trait
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege, Scope
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Row


def from_revision(revision: RequestRevision) -> dict[str, Any]:
    """Return the values of the revision's columns by name."""
    content = revision.canonical_bytes()
    notes = {
        "held_by_everyone": [
            [held.kind, list(held.path), held.action, held.part]
            for held in sorted(revision.plan.held_by_everyone, key=lambda held: held.sort_key)
        ],
        "statements": list(revision.plan.statements),
    }
    return {
        "grant_id": revision.grant_id,
        "number": revision.number,
        "digest": canonical_json.digest_of_bytes(content),
        "principal": str(revision.principal),
        "person": str(revision.person),
        "content": content.decode(),
        "plan_notes": json.dumps(notes),
    }


def to_revision(row: Row) -> RequestRevision:
    """Read a row back.

    Raises:
        ConflictError: when the content is not what the digest was made of.
    """
    grant_id, number, digest, principal, person, content, plan_notes = row
    if canonical_json.digest_of_bytes(content.encode()) != digest:
        raise ConflictError(f"revision {number} of {grant_id} does not match its digest")
    form, notes = json.loads(content), json.loads(plan_notes)
    plan = Plan(
        scope=Scope.from_json(form["scope"]),
        held_by_everyone=frozenset(
            Privilege(kind=kind, path=tuple(path), action=action, part=part)
            for kind, path, action, part in notes["held_by_everyone"]
        ),
        traits=frozenset(Trait(trait) for trait in form["traits"]),
        findings=tuple(Finding(code=code, message=message) for code, message in form["findings"]),
        statements=tuple(notes["statements"]),
    )
    return RequestRevision(
        grant_id=GrantId(grant_id),
        number=number,
        principal=PrincipalId.parse(principal),
        target=TargetName(form["target"]),
        command=Command(argv=tuple(form["command"]["argv"]), inputs=form["command"]["inputs"]),
        plan=plan,
        duration=timedelta(seconds=form["duration_seconds"]),
        profile=None if form["profile"] is None else ProfileName(form["profile"]),
        reason=form["reason"],
        ticket=form["ticket"],
        requester_person=None if person == principal else PrincipalId.parse(person),
        break_glass=form.get("break_glass", False),
        evidence=Evidence.from_json(form.get("evidence", {})),
        start=parse_instant(form["start"]) if "start" in form else None,
    )


def from_approval(approval: Approval) -> dict[str, Any]:
    """Return the values of the verdict's columns by name."""
    return {
        "grant_id": approval.grant_id,
        "revision": approval.revision,
        "digest": approval.digest,
        "reviewer": str(approval.reviewer),
        "person": str(approval.person),
        "verdict": approval.verdict,
        "at": from_moment(approval.at),
        "comment": approval.comment,
        "signature": approval.signature,
    }


def to_approval(row: Row) -> Approval:
    """Read a row back."""
    grant_id, revision, digest, reviewer, person, verdict, at, comment, signature = row
    return Approval(
        grant_id=GrantId(grant_id),
        revision=revision,
        digest=digest,
        reviewer=PrincipalId.parse(reviewer),
        verdict=Verdict(verdict),
        at=to_moment(at),
        comment=comment,
        signature=signature,
        reviewer_person=None if person == reviewer else PrincipalId.parse(person),
    )
