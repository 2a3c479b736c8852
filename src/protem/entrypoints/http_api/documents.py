"""The documents that the API answers with, encoded once.

Here: grants, plans, targets and accounts as JSON. Not here: who may see them.

Invariants: canonical forms (request, decision, approval, scope) are those of the audit log; no
document holds a secret or a public half.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fastapi import Response

from protem.domain.delegations import Delegation
from protem.domain.grants import Grant
from protem.domain.instants import format_instant
from protem.domain.observations import Capabilities
from protem.domain.principals import Principal
from protem.domain.scopes import Scope
from protem.domain.sign_in_sessions import SignInSession
from protem.domain.targets import Target
from protem.ports.store import Account
from protem.services.plan_command import PlannedRequest
from protem.services.view_grants import GrantView, OfferView, Proposal

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


def json_response(document: Any, status: int = 200) -> Response:
    """Return ``document`` as JSON, without a model in between."""
    return Response(_encode(document).encode(), status_code=status, media_type="application/json")


def of_grant(view: GrantView) -> dict[str, Any]:
    """Return ``Grant``."""
    grant = view.grant
    return {
        "id": grant.id,
        "version": grant.version,
        "state": grant.state,
        "revision": grant.revision,
        "proposed_revision": grant.proposed_revision,
        "principal": str(grant.principal),
        "target": grant.target,
        "duration_seconds": int(grant.duration.total_seconds()),
        "requested_at": format_instant(grant.requested_at),
        "lapses_at": format_instant(grant.lapses_at),
        "activated_at": _moment(grant.activated_at),
        "expires_at": _moment(grant.expires_at),
        "ended_at": _moment(grant.ended_at),
        "end_cause": grant.end_cause,
        "attempts": grant.attempts,
        "last_error": grant.last_error,
        "login": _login(grant),
        **_of_proposal(view.current),
        "proposed": None if view.proposed is None else _of_proposal(view.proposed),
        "latest_revision": view.latest_revision or grant.revision,
        "offers": [_of_offer(offered) for offered in view.offers],
        "comments": [comment.to_json() for comment in view.comments],
    }


def of_plan(planned: PlannedRequest) -> dict[str, Any]:
    """Return ``Planned``."""
    plan = planned.revision.plan
    return {
        "scope": plan.scope.to_json(),
        "held_by_everyone": Scope(plan.held_by_everyone).to_json(),
        "traits": sorted(plan.traits),
        "findings": [{"code": found.code, "message": found.message} for found in plan.findings],
        "statements": list(plan.statements),
        "decision": planned.decision.to_json(),
        "capabilities": of_capabilities(planned.capabilities),
        "digest": planned.revision.digest,
    }


def of_capabilities(capabilities: Capabilities) -> dict[str, Any]:
    """Return what a target can enforce by itself."""
    return {
        "refuses_new_use_at_expiry": capabilities.refuses_new_use_at_expiry,
        "ends_live_use_at_expiry": capabilities.ends_live_use_at_expiry,
        "scope_is_enforced": capabilities.scope_is_enforced,
        "notes": list(capabilities.notes),
    }


def of_target(target: Target, capabilities: Capabilities) -> dict[str, Any]:
    """Return ``Target``."""
    return {
        "name": target.name,
        "scheme": target.scheme,
        "labels": dict(target.labels),
        "profiles": {name: scope.to_json() for name, scope in target.profiles.items()},
        "capabilities": of_capabilities(capabilities),
        **target.credential_hints,
    }


def of_principal(principal: Principal) -> dict[str, Any]:
    """Return ``Principal``."""
    return {
        "id": str(principal.id),
        "issuer": principal.id.issuer,
        "subject": principal.id.subject,
        "display": principal.display,
        "kind": principal.kind,
        "groups": sorted(principal.groups),
        "acts_for": None if principal.acts_for is None else str(principal.acts_for),
    }


def of_session(session: SignInSession, *, is_current: bool) -> dict[str, Any]:
    """Return ``Session``."""
    return {
        "id": session.id,
        "method": session.method,
        "client": session.client,
        "began_at": format_instant(session.began_at),
        "used_at": format_instant(session.used_at),
        "expires_at": format_instant(session.expires_at),
        "current": is_current,
    }


def of_account(account: Account) -> dict[str, Any]:
    """Return ``Account``."""
    return {**of_principal(account.principal), "disabled": account.disabled}


def _of_proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "request": proposal.revision.to_json(),
        "digest": proposal.revision.digest,
        "decision": proposal.decision,
        "approvals": [given.to_json() for given in proposal.approvals],
        "progress": None if proposal.progress is None else proposal.progress.to_json(),
    }


def _of_offer(offered: OfferView) -> dict[str, Any]:
    return {
        "by": str(offered.offer.by),
        "at": format_instant(offered.offer.at),
        "comment": offered.comment,
        "revision": offered.revision.number,
        "digest": offered.revision.digest,
        "request": offered.revision.to_json(),
    }


def of_delegation(delegation: Delegation) -> dict[str, Any]:
    """Return ``Delegation``."""
    return {**delegation.to_json()}


def _login(grant: Grant) -> dict[str, str] | None:
    return None if grant.receipt is None else dict(grant.receipt.login)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_instant(moment)
