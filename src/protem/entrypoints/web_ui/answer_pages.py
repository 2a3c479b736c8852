"""Answering by the link of a mail, without a session.

Here: the page behind a link, and its one form. Not here: whether a link counts, and what an answer
does (answer_by_link).

Invariants:
- Opening the page, however often and by whatever, changes nothing.
- The token is taken from the form's body, stands in no log of ours, and in no ``Referer``, not even
  in one to ourselves: ``strict-origin`` keeps the path back and, unlike ``no-referrer``, lets the
  browser say in ``Origin`` whose form it sends.
- Whoever is signed in here as somebody else answers nothing by it: the mail was passed on.
"""

from __future__ import annotations

import re

from fastapi import Request, Response

from protem.domain.approvals import Verdict
from protem.domain.errors import DeniedError, ProtemError
from protem.domain.secret import Secret
from protem.entrypoints.web_ui.notices import notice_of
from protem.entrypoints.web_ui.page_route import error_page, page_router, see
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.request_view import request_view
from protem.entrypoints.web_ui.review_pages import answer_in
from protem.entrypoints.web_ui.visitors import (
    SignInNeededError,
    around_of,
    posted_by_anyone,
    visitor,
)
from protem.services.answer_by_link import Linked, LinkOverError, answer_by_link, view_by_link
from protem.services.make_answer_link import ANSWERS

router = page_router()
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")
_DONE = {Verdict.APPROVE: "approved", Verdict.DENY: "denied"}


@router.get(f"{ANSWERS}/done")
async def get_done(request: Request) -> Response:
    """Say that the answer is on record."""
    return render(request, "answered.html", notice=notice_of(request))


@router.get(ANSWERS + "/{token}")
async def get_answer(request: Request, token: str) -> Response:
    """Show what the link would answer; this uses nothing up."""
    try:
        response = _page(request, await _linked(request, token), token)
    except ProtemError as error:
        response = error_page(request, error)
    response.headers["referrer-policy"] = "strict-origin"
    return response


@router.post(ANSWERS)
async def post_answer(request: Request) -> Response:
    """Record the answer of the link's person; the link is used up."""
    form = await posted_by_anyone(request)
    verdict, comment = answer_in(form)
    linked = await _linked(request, form["token"])
    await answer_by_link(around_of(request), Secret(form["token"]), verdict, comment)
    request.scope["protem.principal"] = str(linked.person.id)
    return see(f"{ANSWERS}/done?done={_DONE[verdict]}")


def _page(request: Request, linked: Linked, token: str) -> Response:
    return render(
        request,
        "answer.html",
        item=request_view(around_of(request), linked.view),
        person=linked.person,
        until=linked.link.expires_at,
        token=token,
        action=ANSWERS,
        rights={"own": False},
        open_to_comments=False,
        notice="",
        changed=(),
    )


async def _linked(request: Request, token: str) -> Linked:
    """Return the link, if it counts and nobody else is signed in with this browser."""
    if _TOKEN.fullmatch(token) is None:
        raise LinkOverError
    linked = await view_by_link(around_of(request), Secret(token))
    try:
        signed_in = (await visitor(request)).principal
    except SignInNeededError:
        return linked
    if signed_in.person != linked.person.person:
        raise DeniedError(
            "this link is somebody else's than who is signed in here; it answers nothing",
            next_step="sign out, and let the person whose mail it was open it",
        )
    return linked
