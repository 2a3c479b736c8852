"""Offers and comments on requests: what a reviewer says beyond yes and no."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.identifiers import GrantId
from protem.entrypoints.http_api.bodies import read_body
from protem.entrypoints.http_api.documents import json_response, of_grant
from protem.entrypoints.http_api.idempotency import once
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.resources.requests import shown
from protem.entrypoints.http_api.review_bodies import AcceptBody, CommentBody, OfferBody
from protem.entrypoints.http_api.serving import caller, serving
from protem.services.comment_request import comment_request
from protem.services.offer_narrower import OfferMade, accept_offer, offer_narrower
from protem.services.surroundings import Surroundings
from protem.services.view_grants import view_grant

router = APIRouter(prefix="/v1/requests", tags=["requests"])


@router.post("/{grant_id}/offers", openapi_extra=takes(OfferBody))
async def post_offer(request: Request, grant_id: str) -> Response:
    """Offer less than was asked, with a yes to exactly that."""
    here = serving(request)
    principal = await caller(request)
    body = await read_body(request, OfferBody)
    made = OfferMade(
        grant_id=GrantId(grant_id),
        digest=body.digest,
        narrowing=body.narrowing(),
        comment=body.comment,
        signature=None if body.signature is None else body.signature.offered(),
    )
    await view_grant(here.around, principal, made.grant_id)  # a stranger learns nothing

    async def act(around: Surroundings) -> Response:
        await offer_narrower(around, principal, made)
        return json_response(of_grant(await view_grant(around, principal, made.grant_id)))

    return await once(request, here.around, principal, act, shown(here, principal))


@router.post("/{grant_id}/accept", openapi_extra=takes(AcceptBody))
async def post_accept(request: Request, grant_id: str) -> Response:
    """Take an offer: what it says is the request from now on."""
    here = serving(request)
    principal = await caller(request)
    body = await read_body(request, AcceptBody)

    async def act(around: Surroundings) -> Response:
        grant = await accept_offer(around, principal, GrantId(grant_id), body.digest)
        return json_response(of_grant(await view_grant(around, principal, grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))


@router.post("/{grant_id}/comments", openapi_extra=takes(CommentBody))
async def post_comment(request: Request, grant_id: str) -> Response:
    """Say something about a request without a verdict."""
    here = serving(request)
    principal = await caller(request)
    body = await read_body(request, CommentBody)

    async def act(around: Surroundings) -> Response:
        grant = await comment_request(around, principal, GrantId(grant_id), body.text)
        return json_response(of_grant(await view_grant(around, principal, grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))
