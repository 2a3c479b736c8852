"""Break-glass: who would be told, doing it, and the reviews that it owes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from protem.domain.broken_glass import AlarmOutcome, GlassVerdict, outcomes_json
from protem.domain.decisions import PolicyDeniedError
from protem.domain.identifiers import GrantId
from protem.entrypoints.http_api.bodies import read_body
from protem.entrypoints.http_api.documents import json_response, of_grant
from protem.entrypoints.http_api.glass_bodies import BreakGlassBody, GlassReviewBody, of_glass
from protem.entrypoints.http_api.idempotency import once
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.resources.requests import wait_if
from protem.entrypoints.http_api.serving import caller, serving
from protem.entrypoints.http_api.waiting import Wait
from protem.services.break_glass import break_glass
from protem.services.review_glass import list_glass, review_glass, show_glass
from protem.services.surroundings import Surroundings
from protem.services.view_grants import view_grant

router = APIRouter(prefix="/v1", tags=["break-glass"])


@router.get("/break-glass")
async def get_break_glass(request: Request) -> Response:
    """Return who is told before such access, how long it lasts at most, when its review is due."""
    await caller(request)
    around = serving(request).around
    limits = around.limits
    return json_response(
        {
            "channels": list(around.alarms.channels),
            "longest_seconds": int(limits.glass_longest.total_seconds()),
            "review_within_seconds": int(limits.glass_review_within.total_seconds()),
        }
    )


@router.post("/break-glass", status_code=201, openapi_extra=takes(BreakGlassBody))
async def post_break_glass(request: Request, wait: Wait = 0) -> Response:
    """Alarm every channel, then grant at once; nobody is asked."""
    here = serving(request)
    principal = await caller(request)
    emergency = (await read_body(request, BreakGlassBody)).emergency()

    async def answered(grant_id: GrantId, alarms: tuple[AlarmOutcome, ...] | None) -> Response:
        await wait_if(here.around, grant_id, wait)
        document: dict[str, Any] = of_grant(await view_grant(here.around, principal, grant_id))
        if alarms is not None:
            document["alarms"] = outcomes_json(alarms)
        return json_response(document, 201)

    async def act(around: Surroundings) -> Response:
        try:
            broken = await break_glass(around, principal, emergency)
        except PolicyDeniedError as error:
            here.metrics.decisions.labels(error.decision.outcome.value).inc()
            raise
        here.metrics.decisions.labels(broken.asked.decision.outcome.value).inc()
        return await answered(broken.asked.grant.id, broken.alarms)

    async def again(grant_id: GrantId) -> Response:
        return await answered(grant_id, None)

    return await once(request, here.around, principal, act, again)


@router.get("/glass-reviews")
async def get_glass_reviews(
    request: Request,
    all: bool = False,  # noqa: A002, FBT001, FBT002  # a query parameter
) -> Response:
    """Return the reviews that are owed, oldest first; with ``all`` the newest 200 of any."""
    here = serving(request)
    found = await list_glass(here.around, await caller(request), open_only=not all)
    return json_response({"items": [of_glass(view) for view in found]})


@router.get("/glass-reviews/{grant_id}")
async def get_glass_review(request: Request, grant_id: str) -> Response:
    """Return one."""
    here = serving(request)
    view = await show_glass(here.around, await caller(request), GrantId(grant_id))
    return json_response(of_glass(view))


@router.post("/glass-reviews/{grant_id}", openapi_extra=takes(GlassReviewBody))
async def post_glass_review(request: Request, grant_id: str) -> Response:
    """Say whether it was justified, once."""
    here = serving(request)
    reviewer = await caller(request)
    body = await read_body(request, GlassReviewBody)
    view = await review_glass(
        here.around, reviewer, GrantId(grant_id), GlassVerdict(body.verdict), body.comment
    )
    return json_response(of_glass(view))
