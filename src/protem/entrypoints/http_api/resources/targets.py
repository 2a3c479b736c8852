"""The target catalogue, without addresses and credentials."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.identifiers import TargetName
from protem.entrypoints.http_api.documents import json_response, of_target
from protem.entrypoints.http_api.serving import caller, serving

router = APIRouter(prefix="/v1/targets", tags=["targets"])


@router.get("")
async def get_targets(request: Request) -> Response:
    """Return all targets."""
    await caller(request)
    catalogue = serving(request).around.catalogue
    return json_response(
        {
            "items": [
                of_target(target, catalogue.connector(target.name).capabilities)
                for target in catalogue.targets()
            ]
        }
    )


@router.get("/{name}")
async def get_target(request: Request, name: str) -> Response:
    """Return one target."""
    await caller(request)
    catalogue = serving(request).around.catalogue
    target = catalogue.target(TargetName(name))
    return json_response(of_target(target, catalogue.connector(target.name).capabilities))
