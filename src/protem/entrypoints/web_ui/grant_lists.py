"""My grants, and the live board of everybody's.

Here: both lists, with the sessions that the last look at each target saw. Not here: ending a grant
(request_pages), and looking (bootstrap).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request, Response

from protem.domain.grants import LIVE, TERMINAL, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.observations import LiveSession
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.web_ui.notices import notice_of
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.request_view import request_view
from protem.entrypoints.web_ui.visitors import around_of, visitor
from protem.services.view_grants import GrantFilter, list_grants, rights_on

router = page_router()
_PAGE = 50
_RECENT = 15
_WAITING = (GrantState.PENDING, GrantState.APPROVED)
_Before = Annotated[str | None, Query(max_length=26)]


@router.get("/grants")
async def get_grants(request: Request) -> Response:
    """Return what the visitor holds, waits for, and held."""
    me = await visitor(request)
    around = around_of(request)

    async def mine(states: tuple[GrantState, ...], limit: int) -> list[dict[str, Any]]:
        wanted = GrantFilter(states=states, mine=True, limit=limit)
        page = await list_grants(around, me.principal, wanted)
        return [request_view(around, view) for view in page.views]

    return render(
        request,
        "grants.html",
        live=await mine(tuple(sorted(LIVE)), _PAGE),
        waiting=await mine(_WAITING, _PAGE),
        over=await mine(tuple(sorted(TERMINAL)), _RECENT),
        sessions=_sessions(request),
        notice=notice_of(request),
    )


@router.get("/board")
async def get_board(request: Request, before: _Before = None) -> Response:
    """Return every live grant that the visitor may see, newest first."""
    me = await visitor(request)
    around = around_of(request)
    page = await list_grants(
        around,
        me.principal,
        GrantFilter(
            states=tuple(sorted(LIVE)),
            before=None if before is None else GrantId(before),
            limit=_PAGE,
        ),
    )
    rights = await rights_on(around, me.principal, [view.grant.id for view in page.views])
    return render(
        request,
        "board.html",
        items=[request_view(around, view) for view in page.views],
        rights=rights,
        next=page.next,
        before=before,
        sessions=_sessions(request),
        notice=notice_of(request),
    )


def _sessions(request: Request) -> Mapping[str, list[LiveSession]]:
    """Return the sessions that the last look at its target saw, by privilege, oldest first."""
    found: dict[str, list[LiveSession]] = {}
    for look in serving(request).plane.loops.looks.values():
        for session in () if look.state is None else look.state.observation.sessions:
            found.setdefault(session.privilege, []).append(session)
    for sessions in found.values():
        sessions.sort(key=lambda one: (one.started_at is None, one.started_at, one.handle))
    return found
