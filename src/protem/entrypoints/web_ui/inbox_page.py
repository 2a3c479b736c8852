"""The inbox: requests, and reviews of broken glass, that wait for the visitor's verdict.

Here: the list, page by page, and whether it changed since it was shown. Not here: giving a verdict
(review_pages).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query, Request, Response

from protem.domain.identifiers import GrantId
from protem.entrypoints.web_ui.glass_pages import owed_by
from protem.entrypoints.web_ui.notices import notice_of
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.request_view import request_view
from protem.entrypoints.web_ui.visitors import Visitor, around_of, visitor
from protem.services.view_grants import GrantFilter, GrantPage, list_grants

router = page_router()
_PAGE = 20
_Before = Annotated[str | None, Query(max_length=26)]


@router.get("/inbox")
async def get_inbox(request: Request, before: _Before = None) -> Response:
    """Return what waits for the visitor, newest first."""
    me = await visitor(request)
    page = await _page(request, me, before)
    around = around_of(request)
    owed = [] if before else await owed_by(around, me.principal)
    return render(
        request,
        "inbox.html",
        items=[request_view(around, view) for view in page.views],
        owed=owed,
        next=page.next,
        before=before,
        seen=_fingerprint(page, owed),
        notice=notice_of(request),
    )


@router.get("/inbox/news")
async def get_inbox_news(
    request: Request,
    seen: Annotated[str, Query(max_length=64)] = "",
    before: _Before = None,
) -> Response:
    """Return a line when the page that was ``seen`` would look different now, else nothing."""
    me = await visitor(request)
    page = await _page(request, me, before)
    owed = [] if before else await owed_by(around_of(request), me.principal)
    changed = _fingerprint(page, owed) != seen
    return render(request, "_news.html", changed=changed, address="/inbox", more=len(page.views))


async def _page(request: Request, me: Visitor, before: str | None) -> GrantPage:
    wanted: dict[str, Any] = {} if before is None else {"before": GrantId(before)}
    return await list_grants(
        around_of(request), me.principal, GrantFilter(to_review=True, limit=_PAGE, **wanted)
    )


def _fingerprint(page: GrantPage, owed: Sequence[Mapping[str, Any]]) -> str:
    """Return what changes when something comes, goes or is edited."""
    shown = [
        (view.grant.id, (view.proposed or view.current).revision.digest) for view in page.views
    ]
    reviews = [(one["id"], one["state"]) for one in owed]
    return hashlib.sha256(repr((shown, reviews)).encode()).hexdigest()
