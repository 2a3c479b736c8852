"""Signing in and out, and who one is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.instants import format_instant
from protem.domain.secret import Secret
from protem.entrypoints.http_api.bodies import SignInBody, read_body
from protem.entrypoints.http_api.documents import json_response, of_principal
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import bearer, caller, serving
from protem.services.sign_in import sign_in, sign_out

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.post("/sign-in", openapi_extra=takes(SignInBody))
async def post_sign_in(request: Request) -> Response:
    """Exchange a one-time token for a session."""
    body = await read_body(request, SignInBody)
    signed_in = await sign_in(serving(request).around, Secret(body.token))
    request.scope["protem.principal"] = str(signed_in.principal.id)
    return json_response(
        {
            "token": signed_in.token.reveal(),
            "expires_at": format_instant(signed_in.expires_at),
            "principal": of_principal(signed_in.principal),
        }
    )


@router.post("/sign-out", status_code=204)
async def post_sign_out(request: Request) -> Response:
    """Forget the session of this call."""
    principal = await caller(request)
    await sign_out(serving(request).around, principal, bearer(request))
    return Response(status_code=204)


@router.get("/me")
async def get_me(request: Request) -> Response:
    """Return the caller and its groups of now."""
    return json_response(of_principal(await caller(request)))
