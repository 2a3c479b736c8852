"""Local accounts and their one-time tokens, for administrators.

No idempotency keys here: a second ``add`` is a conflict, a second ``disable`` changes nothing, and
an answer that holds a token is never kept.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.decisions import PolicyAction
from protem.domain.instants import format_instant
from protem.domain.principals import PrincipalId
from protem.entrypoints.http_api.bodies import AccountBody, local_id, read_body
from protem.entrypoints.http_api.documents import json_response, of_account
from protem.entrypoints.http_api.openapi_document import takes
from protem.entrypoints.http_api.serving import caller_with, serving
from protem.services.manage_accounts import (
    add_account,
    disable_account,
    issue_token,
    list_accounts,
)

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


@router.get("")
async def get_accounts(request: Request) -> Response:
    """Return all accounts."""
    await caller_with(request, PolicyAction.ADMINISTER)
    accounts = await list_accounts(serving(request).around)
    return json_response({"items": [of_account(account) for account in accounts]})


@router.post("", status_code=201, openapi_extra=takes(AccountBody))
async def post_account(request: Request) -> Response:
    """Add an account."""
    administrator = await caller_with(request, PolicyAction.ADMINISTER)
    principal = (await read_body(request, AccountBody)).principal()
    account = await add_account(serving(request).around, str(administrator.id), principal)
    return json_response(of_account(account), 201)


@router.post("/{subject:path}/disable")
async def post_disable(request: Request, subject: str) -> Response:
    """Disable an account, local or ISSUER|SUBJECT; its sessions and grants end."""
    administrator = await caller_with(request, PolicyAction.ADMINISTER)
    around = serving(request).around
    account = await disable_account(around, str(administrator.id), PrincipalId.of_account(subject))
    return json_response(of_account(account))


@router.post("/{subject}/tokens", status_code=201)
async def post_token(request: Request, subject: str) -> Response:
    """Give an account a one-time sign-in token, shown in this answer only."""
    administrator = await caller_with(request, PolicyAction.ADMINISTER)
    around = serving(request).around
    issued = await issue_token(around, str(administrator.id), local_id(subject))
    return json_response(
        {"token": issued.token.reveal(), "expires_at": format_instant(issued.expires_at)}, 201
    )
