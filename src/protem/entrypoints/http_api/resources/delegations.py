"""Delegations: who stands in for whom, until when."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.delegations import DelegationId
from protem.entrypoints.http_api.bodies import read_body
from protem.entrypoints.http_api.documents import json_response, of_delegation
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.review_bodies import DelegationBody
from protem.entrypoints.http_api.serving import caller, serving
from protem.services.manage_delegations import (
    add_delegation,
    end_delegation,
    list_delegations,
)

router = APIRouter(prefix="/v1/delegations", tags=["delegations"])


@router.get("")
async def get_delegations(request: Request) -> Response:
    """Return those in force that the caller has a part in, or all to who may administer."""
    found = await list_delegations(serving(request).around, await caller(request))
    return json_response({"items": [of_delegation(one) for one in found]})


@router.post("", status_code=201, openapi_extra=takes(DelegationBody))
async def post_delegation(request: Request) -> Response:
    """Let somebody stand in for the caller."""
    principal = await caller(request)
    body = await read_body(request, DelegationBody)
    made = await add_delegation(serving(request).around, principal, body.asked())
    return json_response(of_delegation(made), 201)


@router.post("/{delegation_id}/end")
async def post_end(request: Request, delegation_id: str) -> Response:
    """End one now."""
    principal = await caller(request)
    ended = await end_delegation(serving(request).around, principal, DelegationId(delegation_id))
    return json_response(of_delegation(ended))
