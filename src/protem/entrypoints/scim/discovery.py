"""What a directory can learn of this server: its configuration, resource types and schemas.

Here: the three endpoints of RFC 7644 section 4, and plain refusals of what is not supported. They
ask for the token like everything else: only a directory that is known has a use for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter, Request, Response
from scim2_models import Context, ForbiddenException

from protem.domain.errors import NotFoundError
from protem.entrypoints.scim.errors import error_answer
from protem.entrypoints.scim.protocol import answer, authenticated, list_answer
from protem.entrypoints.scim.shapes import MODELS, resource_types, service_provider_config

router = APIRouter()


@router.get("/ServiceProviderConfig")
async def get_configuration(request: Request) -> Response:
    """Return what is supported."""
    call = authenticated(request)
    found = service_provider_config().model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    found["meta"] = {**found["meta"], "location": f"{call.base}/ServiceProviderConfig"}
    return answer(found)


@router.get("/ResourceTypes")
async def list_resource_types(request: Request) -> Response:
    """Return the kinds of resource."""
    call = authenticated(request)
    return _listed(request, [_placed(each, call.base) for each in _resource_types()])


@router.get("/ResourceTypes/{name}")
async def get_resource_type(request: Request, name: str) -> Response:
    """Return one kind of resource."""
    return _one(_resource_types(), name, authenticated(request).base)


@router.get("/Schemas")
async def list_schemas(request: Request) -> Response:
    """Return the attributes that are kept."""
    call = authenticated(request)
    return _listed(request, [_placed(each, call.base) for each in _schemas()])


@router.get("/Schemas/{name}")
async def get_schema(request: Request, name: str) -> Response:
    """Return one schema."""
    return _one(_schemas(), name, authenticated(request).base)


@router.post("/Bulk")
@router.post("/.search")
@router.post("/Users/.search")
@router.post("/Groups/.search")
async def refuse(request: Request) -> Response:
    """Say that this is not supported, as the configuration does."""
    authenticated(request)
    return error_answer(501, "this server does not support it; see /ServiceProviderConfig")


@cache
def _resource_types() -> Sequence[dict[str, Any]]:
    return [
        {
            **each.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE),
            "meta": {"resourceType": "ResourceType", "location": f"/ResourceTypes/{each.id}"},
        }
        for each in resource_types()
    ]


@cache
def _schemas() -> Sequence[dict[str, Any]]:
    schemas = [model.to_schema() for model in MODELS]
    return [
        {
            **each.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE),
            "meta": {"resourceType": "Schema", "location": f"/Schemas/{each.id}"},
        }
        for each in schemas
    ]


def _placed(document: dict[str, Any], base: str) -> dict[str, Any]:
    meta = document["meta"]
    return {**document, "meta": {**meta, "location": base + meta["location"]}}


def _listed(request: Request, documents: Sequence[dict[str, Any]]) -> Response:
    if "filter" in request.query_params:  # RFC 7644, section 4: so that nobody is misled
        raise ForbiddenException(detail="these are not filtered")
    return list_answer(documents, total=len(documents), start=1)


def _one(documents: Sequence[dict[str, Any]], name: str, base: str) -> Response:
    found = next((each for each in documents if each["id"].lower() == name.lower()), None)
    if found is None:
        raise NotFoundError("there is no such resource")
    return answer(_placed(found, base))
