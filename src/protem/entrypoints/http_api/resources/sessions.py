"""Signing in and out, one's sessions, and who one is.

No idempotency keys here: an answer that holds a token is never kept, and ending twice changes
nothing more.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import UnauthenticatedError
from protem.domain.instants import format_instant
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import session_id as id_of_session
from protem.entrypoints.http_api.bodies import (
    DeviceBody,
    DeviceCodeBody,
    SignInBody,
    WorkloadBody,
    read_body,
)
from protem.entrypoints.http_api.documents import json_response, of_principal, of_session
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import bearer, caller, program_of, serving
from protem.services.manage_sessions import end_all_sessions, end_session, list_sessions
from protem.services.sign_in import SignedIn, sign_in, sign_out
from protem.services.sign_in_by_device import (
    INTERVAL,
    begin_device_sign_in,
    redeem_device_code,
)
from protem.services.sign_in_workload import sign_in_workload

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.post("/sign-in", openapi_extra=takes(SignInBody))
async def post_sign_in(request: Request) -> Response:
    """Exchange a one-time token for a session."""
    body = await read_body(request, SignInBody)
    signed_in = await sign_in(
        serving(request).around, Secret(body.token), client=program_of(request)
    )
    return _session(request, signed_in)


@router.post("/sign-in/workload", openapi_extra=takes(WorkloadBody))
async def post_workload(request: Request) -> Response:
    """Exchange the token of a CI job or a pod for a short session."""
    here = serving(request)
    body = await read_body(request, WorkloadBody)
    prover = here.plane.workloads
    if prover is None:
        raise UnauthenticatedError("no workload may sign in here")
    signed_in = await sign_in_workload(
        here.around, prover, Secret(body.token), client=program_of(request)
    )
    return _session(request, signed_in)


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
    codes = await begin_device_sign_in(here.around, said=body.said, address=address, port=body.port)
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
    signed_in = await redeem_device_code(
        here.around,
        Secret(body.device_code),
        None if body.proof is None else Secret(body.proof),
    )
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


@router.get("/sessions")
async def get_sessions(request: Request) -> Response:
    """Return the caller's sessions that still count, newest first."""
    principal = await caller(request)
    sessions = await list_sessions(serving(request).around, principal)
    present = id_of_session(fingerprint(bearer(request)))
    items = [of_session(session, is_current=session.id == present) for session in sessions]
    return json_response({"items": items})


@router.post("/sessions/end", status_code=204)
async def post_end_all(request: Request) -> Response:
    """End every session of the caller, this one too."""
    await end_all_sessions(serving(request).around, await caller(request))
    return Response(status_code=204)


@router.post("/sessions/{session_id}/end", status_code=204)
async def post_end(request: Request, session_id: str) -> Response:
    """End one session of the caller."""
    await end_session(serving(request).around, await caller(request), session_id)
    return Response(status_code=204)


def _session(request: Request, signed_in: SignedIn) -> Response:
    request.scope["protem.principal"] = str(signed_in.principal.id)
    return json_response(
        {
            "token": signed_in.token.reveal(),
            "expires_at": format_instant(signed_in.expires_at),
            "principal": of_principal(signed_in.principal),
        }
    )
