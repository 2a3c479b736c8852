"""The inbox: requests that wait for the visitor's verdict.

Here: the list, page by page. Not here: giving a verdict (request_page).
"""

from __future__ import annotations

from fastapi import Request, Response

from protem.domain.identifiers import GrantId
from protem.entrypoints.http_api.documents import of_grant
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.visitors import around_of, visitor
from protem.services.view_grants import GrantFilter, list_grants

router = page_router()
_PAGE = 20


@router.get("/inbox")
async def get_inbox(request: Request, before: str | None = None) -> Response:
    """Return what waits for the visitor, newest first."""
    me = await visitor(request)
    wanted = GrantFilter(
        to_review=True, before=None if before is None else GrantId(before), limit=_PAGE
    )
    page = await list_grants(around_of(request), me.principal, wanted)
    items = [of_grant(view) for view in page.views]
    return render(request, "inbox.html", items=items, next=page.next, before=before)
