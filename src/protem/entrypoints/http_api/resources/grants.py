"""Grants: activating, extending, ending, and watching them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from protem.domain.grants import LIVE, GrantState
from protem.domain.identifiers import GrantId
from protem.entrypoints.http_api.bodies import ActivateBody, ExtendBody, read_body
from protem.entrypoints.http_api.documents import json_response, of_grant
from protem.entrypoints.http_api.idempotency import once
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.resources.requests import listed, shown
from protem.entrypoints.http_api.serving import caller, serving
from protem.entrypoints.http_api.waiting import Wait, is_live, is_provisioning, wait_while
from protem.services.activate_grant import activate_grant
from protem.services.end_grant import end_grant
from protem.services.extend_grant import extend_grant
from protem.services.surroundings import Surroundings
from protem.services.view_grants import GrantFilter, view_grant

router = APIRouter(prefix="/v1/grants", tags=["grants"])


@router.get("")
async def get_grants(  # one per query parameter
    request: Request,
    state: Annotated[list[GrantState] | None, Query()] = None,
    mine: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """Return grants that the caller may see, newest first; those that live unless states say."""
    return await listed(
        request,
        GrantFilter(
            states=tuple(state or sorted(LIVE)),
            mine=mine,
            before=None if before is None else GrantId(before),
            limit=limit,
        ),
    )


@router.get("/{grant_id}")
async def get_grant(
    request: Request,
    grant_id: str,
    wait: Wait = 0,
    after_version: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Return one grant; with ``wait``, as soon as its version is above ``after_version``."""
    around = serving(request).around
    principal = await caller(request)
    view = await view_grant(around, principal, GrantId(grant_id))
    if wait > 0:
        seen = view.grant.version if after_version is None else after_version
        if view.grant.version <= seen:
            await wait_while(around, view.grant, lambda grant: grant.version <= seen, wait)
            await caller(request)  # minutes may have passed
            view = await view_grant(around, principal, GrantId(grant_id))
    return json_response(of_grant(view))


@router.post("/{grant_id}/activate", openapi_extra=takes(ActivateBody))
async def post_activate(request: Request, grant_id: str, wait: Wait = 0) -> Response:
    """Start an approved grant's clock and make its privilege."""
    here = serving(request)
    principal = await caller(request)
    half = (await read_body(request, ActivateBody)).public_half.public_half()

    async def act(around: Surroundings) -> Response:
        grant = await activate_grant(around, principal, GrantId(grant_id), half)
        if wait > 0:
            await wait_while(around, grant, is_provisioning, wait)
        return json_response(of_grant(await view_grant(around, principal, grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))


@router.post("/{grant_id}/extend", openapi_extra=takes(ExtendBody))
async def post_extend(request: Request, grant_id: str) -> Response:
    """Ask for more time on an active grant."""
    here = serving(request)
    principal = await caller(request)
    body = await read_body(request, ExtendBody)

    async def act(around: Surroundings) -> Response:
        by = timedelta(seconds=body.by_seconds)
        asked = await extend_grant(around, principal, GrantId(grant_id), by, body.reason or "")
        return json_response(of_grant(await view_grant(around, principal, asked.grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))


@router.post("/{grant_id}/end")
async def post_end(request: Request, grant_id: str, wait: Wait = 0) -> Response:
    """Give back one's own grant, or revoke another's."""
    here = serving(request)
    principal = await caller(request)
    await view_grant(here.around, principal, GrantId(grant_id))  # a stranger learns nothing

    async def act(around: Surroundings) -> Response:
        grant = await end_grant(around, principal, GrantId(grant_id))
        if wait > 0:
            await wait_while(around, grant, is_live, wait)
        return json_response(of_grant(await view_grant(around, principal, grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))
