"""The rules in force, and what a draft of them would have answered otherwise."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from protem.domain.decisions import PolicyAction
from protem.entrypoints.http_api.bodies import read_body
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.policy_bodies import ReplayBody
from protem.entrypoints.http_api.policy_drafts import check_may_read_rules, replay_draft, rules_of
from protem.entrypoints.http_api.serving import caller, caller_with, serving
from protem.ports.policy import ShowsRules

router = APIRouter(prefix="/v1/policy", tags=["policy"])


@router.get("")
async def get_policy(request: Request) -> Response:
    """Return the rules in force: each with its place, and the files as they were read."""
    principal = await caller(request)
    around = serving(request).around
    check_may_read_rules(around, principal)
    return json_response(_of_policy(rules_of(around)))


@router.post("/replay", openapi_extra=takes(ReplayBody))
async def post_replay(request: Request) -> Response:
    """Ask a draft what was asked of late; changes nothing.

    Answers with what it got to when time runs out: ``complete`` is false then, and ``reached`` says
    how far back it got.
    """
    principal = await caller_with(request, PolicyAction.ADMINISTER)
    body = await read_body(request, ReplayBody)
    report = await replay_draft(
        serving(request), principal, body.files, since=body.since, most_shown=body.limit
    )
    return json_response(report.to_json())


def _of_policy(policy: ShowsRules) -> dict[str, Any]:
    return {
        "policy_digest": policy.digest,
        "files": [{"name": name, "text": text} for name, text in policy.files().items()],
        "rules": [
            {
                "rule": rule.id,
                "source": rule.source,
                "effect": "permit" if rule.permits else "forbid",
                "actions": sorted(rule.actions),
                "message": rule.message,
                "terms": rule.terms,
                "text": rule.text,
            }
            for rule in policy.rules()
        ],
    }
