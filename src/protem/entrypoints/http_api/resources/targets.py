"""The target catalogue, without addresses and credentials."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.identifiers import TargetName
from protem.entrypoints.http_api.documents import json_response, of_target
from protem.entrypoints.http_api.serving import caller, serving
from protem.entrypoints.http_api.target_documents import of_access
from protem.services.view_target import view_target

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


@router.get("/{name}/access")
async def get_access(request: Request, name: str) -> Response:
    """Return who could get what there by today's policy, who has what, and what stands beside it.

    ``possible`` is derived: policy is asked, as of now, for each account, about each profile and
    about the different requests of late. For auditors and for the group in the label ``owner``.
    """
    principal = await caller(request)
    here = serving(request)
    access = await view_target(here.around, principal, TargetName(name))
    return json_response(of_access(access, here.plane.loops.looks.get(access.target.name)))
