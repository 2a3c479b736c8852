"""Signing in and out, and who one is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.instants import format_instant
from protem.domain.secret import Secret
from protem.entrypoints.http_api.bodies import DeviceBody, DeviceCodeBody, SignInBody, read_body
from protem.entrypoints.http_api.documents import json_response, of_principal
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import bearer, caller, serving
from protem.services.sign_in import SignedIn, sign_in, sign_out
from protem.services.sign_in_by_device import INTERVAL

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.post("/sign-in", openapi_extra=takes(SignInBody))
async def post_sign_in(request: Request) -> Response:
    """Exchange a one-time token for a session."""
    body = await read_body(request, SignInBody)
    return _session(request, await sign_in(serving(request).around, Secret(body.token)))


@router.get("/sign-in/ways")
async def get_ways(request: Request) -> Response:
    """Return how one can sign in here; asked before anybody is known."""
    providers = serving(request).plane.sign_in.values()
    named = [{"name": one.name, "display": one.display} for one, _ in providers]
    return json_response({"providers": named})


@router.post("/sign-in/device", status_code=201, openapi_extra=takes(DeviceBody))
async def post_device(request: Request) -> Response:
    """Begin to sign in a terminal from a browser; the person compares the short code."""
    here = serving(request)
    body = await read_body(request, DeviceBody)
    address = request.client.host if request.client else ""
    codes = here.devices.begin(here.around, said=body.said, address=address)
    return json_response(
        {
            "device_code": codes.device_code.reveal(),
            "user_code": codes.user_code,
            "path": f"/device?code={codes.user_code}",
            "expires_at": format_instant(codes.expires_at),
            "interval_seconds": int(INTERVAL.total_seconds()),
        },
        201,
    )


@router.post("/sign-in/device/redeem", openapi_extra=takes(DeviceCodeBody))
async def post_device_redeem(request: Request) -> Response:
    """Exchange the long code for a session, once a person said yes; ``pending`` until then."""
    here = serving(request)
    body = await read_body(request, DeviceCodeBody)
    signed_in = await here.devices.redeem(here.around, Secret(body.device_code))
    if signed_in is None:
        return json_response({"state": "pending"}, 202)
    return _session(request, signed_in)


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


def _session(request: Request, signed_in: SignedIn) -> Response:
    request.scope["protem.principal"] = str(signed_in.principal.id)
    return json_response(
        {
            "token": signed_in.token.reveal(),
            "expires_at": format_instant(signed_in.expires_at),
            "principal": of_principal(signed_in.principal),
        }
    )
