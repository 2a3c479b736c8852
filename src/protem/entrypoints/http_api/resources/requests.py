"""Requests: asking, editing, reviewing, cancelling, and seeing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from protem.domain.approvals import Verdict
from protem.domain.decisions import PolicyDeniedError
from protem.domain.grants import GrantState
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.entrypoints.http_api.approver_key_documents import of_challenge
from protem.entrypoints.http_api.bodies import AskBody, RequestBody, ReviewBody, read_body
from protem.entrypoints.http_api.documents import json_response, of_grant
from protem.entrypoints.http_api.idempotency import Repeat, once
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import Serving, caller, serving
from protem.entrypoints.http_api.waiting import Wait, is_provisioning, wait_while
from protem.services.cancel_request import cancel_request
from protem.services.request_access import AccessRequested, request_access
from protem.services.review_request import Review, review_request
from protem.services.revise_request import revise_request
from protem.services.surroundings import Surroundings
from protem.services.view_approver_keys import signing_challenge
from protem.services.view_grants import (
    GrantFilter,
    GrantView,
    Proposal,
    list_grants,
    view_grant,
)

router = APIRouter(prefix="/v1/requests", tags=["requests"])


@router.post("", status_code=201, openapi_extra=takes(RequestBody))
async def post_request(request: Request, wait: Wait = 0) -> Response:
    """Ask; with a public half and nobody to approve, the grant is on its way at once."""
    here = serving(request)
    principal = await caller(request)
    body = await read_body(request, RequestBody)

    async def act(around: Surroundings) -> Response:
        half = None if body.public_half is None else body.public_half.public_half()
        try:
            asked = await request_access(around, principal, body.ask(), half)
        except PolicyDeniedError as error:
            here.metrics.decisions.labels(error.decision.outcome.value).inc()
            raise
        here.metrics.decisions.labels(asked.decision.outcome.value).inc()
        return await _answer(here.around, asked, wait)

    async def again(grant_id: GrantId) -> Response:
        await wait_if(here.around, grant_id, wait)
        view = await view_grant(here.around, principal, grant_id)
        return json_response(of_grant(view), 201)

    return await once(request, here.around, principal, act, again)


@router.put("/{grant_id}", openapi_extra=takes(AskBody))
async def put_request(request: Request, grant_id: str) -> Response:
    """Edit a request that is not in use yet; approvals so far are void."""
    here = serving(request)
    principal = await caller(request)
    ask = (await read_body(request, AskBody)).ask()

    async def act(around: Surroundings) -> Response:
        asked = await revise_request(around, principal, GrantId(grant_id), ask)
        return json_response(of_grant(await view_grant(around, principal, asked.grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))


@router.get("")
async def get_requests(  # one per query parameter
    request: Request,
    state: Annotated[list[GrantState] | None, Query()] = None,
    mine: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    to_review: bool = False,  # noqa: FBT001, FBT002  # a query parameter
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    """Return requests that the caller may see, newest first."""
    return await listed(
        request,
        GrantFilter(
            states=tuple(state or ()),
            mine=mine,
            to_review=to_review,
            before=None if before is None else GrantId(before),
            limit=limit,
        ),
    )


@router.get("/{grant_id}")
async def get_request(request: Request, grant_id: str) -> Response:
    """Return one request."""
    here = serving(request)
    view = await view_grant(here.around, await caller(request), GrantId(grant_id))
    return json_response(of_grant(view))


@router.get("/{grant_id}/challenge")
async def get_challenge(request: Request, grant_id: str) -> Response:
    """Return what the caller signs to approve what is under review."""
    here = serving(request)
    challenge = await signing_challenge(here.around, await caller(request), GrantId(grant_id))
    return json_response(of_challenge(challenge))


@router.post("/{grant_id}/reviews", openapi_extra=takes(ReviewBody))
async def post_review(request: Request, grant_id: str) -> Response:
    """Say yes or no to the revision with this digest."""
    here = serving(request)
    principal = await caller(request)
    body = await read_body(request, ReviewBody)
    review = Review(
        grant_id=GrantId(grant_id),
        digest=body.digest,
        verdict=Verdict(body.verdict),
        comment=body.comment,
        signature=None if body.signature is None else body.signature.offered(),
    )
    await view_grant(here.around, principal, review.grant_id)  # a stranger learns nothing

    async def act(around: Surroundings) -> Response:
        grant = await review_request(around, principal, review)
        return json_response(of_grant(await view_grant(around, principal, grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))


@router.post("/{grant_id}/cancel")
async def post_cancel(request: Request, grant_id: str) -> Response:
    """Withdraw a request, or an approval not yet used."""
    here = serving(request)
    principal = await caller(request)

    async def act(around: Surroundings) -> Response:
        grant = await cancel_request(around, principal, GrantId(grant_id))
        return json_response(of_grant(await view_grant(around, principal, grant.id)))

    return await once(request, here.around, principal, act, shown(here, principal))


def shown(here: Serving, principal: Principal) -> Repeat:
    """Return how a repeated call is answered: with the grant as it is now."""

    async def again(grant_id: GrantId) -> Response:
        return json_response(of_grant(await view_grant(here.around, principal, grant_id)))

    return again


async def listed(request: Request, wanted: GrantFilter) -> Response:
    """Return a page of what the caller may see."""
    here = serving(request)
    page = await list_grants(here.around, await caller(request), wanted)
    return json_response({"items": [of_grant(view) for view in page.views], "next": page.next})


async def wait_if(around: Surroundings, grant_id: GrantId, seconds: float) -> None:
    """Wait until the grant is no longer being provisioned, if it is."""
    if seconds > 0:
        grant = await around.store.read(lambda view: view.grants.get(grant_id))
        await wait_while(around, grant, is_provisioning, seconds)


async def _answer(around: Surroundings, asked: AccessRequested, wait: float) -> Response:
    """Return what was asked, with the decision at hand instead of deciding again."""
    grant = asked.grant
    if wait > 0:
        grant = await wait_while(around, grant, is_provisioning, wait)
    current = Proposal(revision=asked.revision, decision=asked.decision.to_json())
    return json_response(of_grant(GrantView(grant=grant, current=current)), 201)
