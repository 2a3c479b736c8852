"""The dry run: what a command needs and what policy says, touching nothing."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.entrypoints.http_api.bodies import AskBody, read_body
from protem.entrypoints.http_api.documents import json_response, of_plan
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import caller, serving
from protem.services.plan_command import plan_command

router = APIRouter(prefix="/v1/plans", tags=["plans"])


@router.post("", openapi_extra=takes(AskBody))
async def post_plan(request: Request) -> Response:
    """Plan a command and decide on it."""
    here = serving(request)
    principal = await caller(request)
    ask = (await read_body(request, AskBody)).ask()
    planned = await plan_command(here.around, principal, ask)
    here.metrics.decisions.labels(planned.decision.outcome.value).inc()
    return json_response(of_plan(planned))
