"""The page of one request or grant: the same object that ``protem request show`` prints.

Here: the page, and what its owner can do there: cancel, edit, extend, end. Not here: verdicts of
others (review_pages).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import Request, Response

from protem.domain.durations import parse_duration
from protem.domain.errors import ConflictError
from protem.domain.evidence import EvidenceKind
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.entrypoints.web_ui.glass_pages import glass_view
from protem.entrypoints.web_ui.notices import notice_of
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.request_view import request_view
from protem.entrypoints.web_ui.visitors import Form, around_of, local_path, posted, visitor
from protem.services.cancel_request import cancel_request
from protem.services.comment_request import comment_request
from protem.services.end_grant import end_grant
from protem.services.extend_grant import extend_grant
from protem.services.offer_narrower import accept_offer
from protem.services.plan_command import Ask
from protem.services.review_glass import show_glass
from protem.services.revise_request import revise_request
from protem.services.surroundings import Surroundings
from protem.services.view_grants import GrantView, rights_on, view_grant

router = page_router()
_EDITABLE = (GrantState.PENDING, GrantState.APPROVED)
_OPEN = (*_EDITABLE, GrantState.ACTIVE)


@router.get("/requests/{grant_id}")
async def get_request(request: Request, grant_id: str) -> Response:
    """Return the page."""
    me = await visitor(request)
    return await request_page(request, me.principal, GrantId(grant_id), notice=notice_of(request))


@router.get("/grants/{grant_id}")
async def get_grant(grant_id: str) -> Response:
    """Go to the page; a request and the grant that it becomes have one."""
    return see(f"/requests/{GrantId(grant_id)}")


@router.post("/requests/{grant_id}/cancel")
async def post_cancel(request: Request, grant_id: str) -> Response:
    """Withdraw a request, or an approval not yet used."""
    sender, _ = await posted(request)
    around, wanted = around_of(request), GrantId(grant_id)
    try:
        await cancel_request(around, sender.principal, wanted)
    except ConflictError:
        view = await view_grant(around, sender.principal, wanted)
        if view.grant.state is not GrantState.CANCELLED:  # a double click is no mistake
            raise
    return see(f"/requests/{wanted}?done=cancelled")


@router.post("/requests/{grant_id}/edit")
async def post_edit(request: Request, grant_id: str) -> Response:
    """Ask for another duration, reason, ticket or links; the command stays."""
    sender, form = await posted(request)
    around, wanted = around_of(request), GrantId(grant_id)
    view = await view_grant(around, sender.principal, wanted)
    ask = _edited(view.current.revision, form, around.clock.now())
    await revise_request(around, sender.principal, wanted, ask)
    return see(f"/requests/{wanted}?done=edited")


@router.post("/requests/{grant_id}/accept")
async def post_accept(request: Request, grant_id: str) -> Response:
    """Take an offer of less: it is the request from now on."""
    sender, form = await posted(request)
    wanted = GrantId(grant_id)
    await accept_offer(around_of(request), sender.principal, wanted, form["digest"])
    return see(f"/requests/{wanted}?done=accepted")


@router.post("/requests/{grant_id}/comment")
async def post_comment(request: Request, grant_id: str) -> Response:
    """Say something without a verdict."""
    sender, form = await posted(request)
    wanted, text = GrantId(grant_id), form["text"].replace("\r\n", "\n").strip()
    await comment_request(around_of(request), sender.principal, wanted, text)
    return see(f"/requests/{wanted}?done=commented")


@router.post("/grants/{grant_id}/extend")
async def post_extend(request: Request, grant_id: str) -> Response:
    """Ask for more time."""
    sender, form = await posted(request)
    around, wanted = around_of(request), GrantId(grant_id)
    by = parse_duration(form["by"])
    asked = await extend_grant(around, sender.principal, wanted, by, form["reason"].strip())
    done = "extended" if asked.grant.proposed_revision is None else "extension-asked"
    return see(f"/requests/{wanted}?done={done}")


@router.post("/grants/{grant_id}/end")
async def post_end(request: Request, grant_id: str) -> Response:
    """Give back one's own grant, or revoke another's."""
    sender, form = await posted(request)
    around, wanted = around_of(request), GrantId(grant_id)
    view = await view_grant(around, sender.principal, wanted)  # a stranger learns nothing
    before = view.grant
    await end_grant(around, sender.principal, wanted)
    onwards = local_path(form["next"]) if form["next"] else f"/requests/{wanted}"
    return see(f"{onwards}?done={_ending(before)}")


async def request_page(  # what differs between its callers
    request: Request,
    principal: Principal,
    grant_id: GrantId,
    *,
    notice: str = "",
    status: int = 200,
    changed: object = (),
) -> Response:
    """Return the page of a request.

    Args:
        request: what came.
        principal: who looks.
        grant_id: which one.
        notice: what was just done.
        status: of the answer.
        changed: how it differs from what the principal saw, if that is why it is shown.
    """
    around = around_of(request)
    view = await view_grant(around, principal, grant_id)
    rights = (await rights_on(around, principal, [grant_id]))[grant_id]
    return render(
        request,
        "request.html",
        status=status,
        item=request_view(around, view),
        rights=rights,
        editable=rights.own and view.grant.state in _EDITABLE,
        extendable=rights.own
        and view.grant.state is GrantState.ACTIVE
        and view.grant.proposed_revision is None,
        open_to_comments=view.grant.state in _OPEN,
        endable=view.grant.state in (GrantState.PROVISIONING, GrantState.ACTIVE),
        broken=await _broken(around, principal, view),
        notice=notice,
        changed=changed,
    )


async def _broken(
    around: Surroundings, principal: Principal, view: GrantView
) -> dict[str, Any] | None:
    if not view.current.revision.break_glass:
        return None
    return glass_view(await show_glass(around, principal, view.grant.id))


def _edited(revision: RequestRevision, form: Form, now: datetime) -> Ask:
    return Ask(
        target=revision.target,
        command=revision.command,
        duration=parse_duration(form["duration"]),
        reason=form["reason"].strip(),
        ticket=form["ticket"].strip(),
        profile=revision.profile,
        links=tuple(form["links"].split()),
        explain=any(one.kind is EvidenceKind.EXPLAIN for one in revision.evidence.exhibits),
        start=revision.start if revision.begins(now) > now else None,
    )


def _ending(before: Grant) -> str:
    return "ending" if before.state in (GrantState.PROVISIONING, GrantState.ACTIVE) else "already"
