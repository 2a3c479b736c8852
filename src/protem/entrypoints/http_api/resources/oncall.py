"""Who is on call, as far as the last answers of the rotas say."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.serving import caller, serving
from protem.services.refresh_rota import list_oncall

router = APIRouter(prefix="/v1/oncall", tags=["oncall"])


@router.get("")
async def get_oncall(request: Request) -> Response:
    """Return each schedule with who is on call now, and how old that answer is."""
    await caller(request)
    around = serving(request).around
    now = around.clock.now()
    return json_response({"items": [one.to_json(now) for one in await list_oncall(around)]})
