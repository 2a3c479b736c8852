"""The visitor's keys for signing approvals, and what such a key signs.

Here: the page, making and removing a key with the browser, the challenge of a request. Not here:
checking what a browser made (services), and ssh keys, which are added from a terminal.
"""

from __future__ import annotations

import json

from fastapi import Request, Response

from protem.domain.errors import InvalidError, ProtemError
from protem.domain.identifiers import GrantId
from protem.entrypoints.http_api.approver_key_documents import of_challenge, of_key
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.problem_responses import (
    problem_of,
    problem_response,
    request_id_of,
)
from protem.entrypoints.web_ui.notices import notice_of
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.visitors import around_of, posted, visitor
from protem.services.register_approver_key import register_webauthn_key, webauthn_options
from protem.services.remove_approver_key import remove_approver_key
from protem.services.view_approver_keys import list_approver_keys, signing_challenge

router = page_router()
_MOST_CREDENTIAL = 32_768


@router.get("/keys")
async def get_keys(request: Request) -> Response:
    """Return the page."""
    me = await visitor(request)
    around = around_of(request)
    keys = [of_key(key) for key in await list_approver_keys(around, me.principal)]
    return render(
        request,
        "keys.html",
        keys=keys,
        notice=notice_of(request),
        can_sign=around.signature_check is not None,
    )


@router.post("/keys/options")
async def post_options(request: Request) -> Response:
    """Return what the browser makes a key with, for the page's script."""
    sender, _ = await posted(request)
    try:
        return json_response(await webauthn_options(around_of(request), sender.principal))
    except ProtemError as error:
        return _problem(request, error)


@router.post("/keys")
async def post_key(request: Request) -> Response:
    """Keep the key that the browser made."""
    sender, form = await posted(request)
    name, credential = form["name"].strip(), credential_of(form["credential"])
    if credential is None:
        raise InvalidError("the browser made no key; it needs scripts and a key to do so")
    await register_webauthn_key(around_of(request), sender.principal, name, credential)
    return see("/keys?done=key-added")


@router.post("/keys/remove")
async def post_remove(request: Request) -> Response:
    """Take a key out of use."""
    sender, form = await posted(request)
    around = around_of(request)
    keys = await list_approver_keys(around, sender.principal)
    if not any(key.id == form["id"] and not key.in_use for key in keys):  # twice is once
        await remove_approver_key(around, sender.principal, form["id"])
    return see("/keys?done=key-removed")


@router.get("/requests/{grant_id}/challenge")
async def get_challenge(request: Request, grant_id: str) -> Response:
    """Return what the visitor's key signs, for the page's script."""
    me = await visitor(request)
    try:
        challenge = await signing_challenge(around_of(request), me.principal, GrantId(grant_id))
    except ProtemError as error:
        return _problem(request, error)
    return json_response(of_challenge(challenge))


def credential_of(text: str) -> object | None:
    """Return the browser's answer that a form brought along, None when it brought none.

    Raises:
        InvalidError: when it is none.
    """
    if not text:
        return None
    try:
        found = json.loads(text) if len(text) <= _MOST_CREDENTIAL else None
    except (ValueError, RecursionError) as error:
        raise InvalidError("this is no answer of a browser's key") from error
    if not isinstance(found, dict):
        raise InvalidError("this is no answer of a browser's key")
    return found


def _problem(request: Request, error: ProtemError) -> Response:
    """Return an error as scripts read it."""
    status, document = problem_of(error)
    return problem_response(status, document, request_id_of(request))
