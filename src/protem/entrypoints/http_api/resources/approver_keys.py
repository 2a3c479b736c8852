"""The caller's own keys for signing approvals: seeing, adding and removing them.

No idempotency keys here: a challenge serves once, and a key that is in use is a conflict.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.approver_keys import KeyKind
from protem.domain.principals import Principal
from protem.entrypoints.http_api.approver_key_bodies import SshKeyBody, WebauthnKeyBody
from protem.entrypoints.http_api.approver_key_documents import of_key, of_key_challenge
from protem.entrypoints.http_api.bodies import read_body
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import bearer, caller, serving
from protem.services.manage_sessions import refuse_if_lent
from protem.services.register_approver_key import (
    challenge_for_key,
    register_ssh_key,
    register_webauthn_key,
    webauthn_options,
)
from protem.services.remove_approver_key import remove_approver_key
from protem.services.view_approver_keys import list_approver_keys

router = APIRouter(prefix="/v1/approver-keys", tags=["approver keys"])


@router.get("")
async def get_keys(request: Request) -> Response:
    """Return the caller's keys, removed ones too, oldest first."""
    principal = await caller(request)
    keys = await list_approver_keys(serving(request).around, principal)
    return json_response({"items": [of_key(key) for key in keys]})


@router.post("/ssh/challenge")
async def post_ssh_challenge(request: Request) -> Response:
    """Return what the new key signs, once and within ten minutes."""
    principal = await _enroller(request)
    challenge = await challenge_for_key(serving(request).around, principal, KeyKind.SSH)
    return json_response(of_key_challenge(challenge))


@router.post("/ssh", status_code=201, openapi_extra=takes(SshKeyBody))
async def post_ssh_key(request: Request) -> Response:
    """Add an ssh key that signed the challenge."""
    principal = await _enroller(request)
    body = await read_body(request, SshKeyBody)
    key = await register_ssh_key(
        serving(request).around, principal, body.name, body.public_key, body.signature
    )
    return json_response(of_key(key), 201)


@router.post("/webauthn/options")
async def post_webauthn_options(request: Request) -> Response:
    """Return what a browser makes a key with."""
    principal = await _enroller(request)
    return json_response(await webauthn_options(serving(request).around, principal))


@router.post("/webauthn", status_code=201, openapi_extra=takes(WebauthnKeyBody))
async def post_webauthn_key(request: Request) -> Response:
    """Add the key that a browser made."""
    principal = await _enroller(request)
    body = await read_body(request, WebauthnKeyBody)
    key = await register_webauthn_key(
        serving(request).around, principal, body.name, body.credential
    )
    return json_response(of_key(key), 201)


@router.delete("/{key_id:path}")
async def delete_key(request: Request, key_id: str) -> Response:
    """Take a key out of use; an administrator may take anyone's."""
    principal = await caller(request)
    return json_response(
        of_key(await remove_approver_key(serving(request).around, principal, key_id))
    )


async def _enroller(request: Request) -> Principal:
    """Return who is calling, in a session that nobody was talked into lending."""
    principal = await caller(request)
    await refuse_if_lent(serving(request).around, bearer(request))
    return principal
