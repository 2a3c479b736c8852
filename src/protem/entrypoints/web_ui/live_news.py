"""News for open pages: that something changed, never what.

Here: a stream of server-sent events that tells a page to look again. Not here: what changed; the
page asks for itself anew, with the visitor's own eyes.

Invariants: the session is proved again before every event; a page hears only of grants that its
visitor may see.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
from fastapi import Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GrantId
from protem.entrypoints.http_api.problem_responses import TooManyError
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.visitors import Visitor, around_of, visitor
from protem.ports.store import Transaction
from protem.services.view_grants import Looker

router = page_router()
_BATCH = 200
_MOST_STREAMS = 16
_LOOK_AT_STOPPING = timedelta(milliseconds=250)
_LOOKS_AT_STOPPING = 20
_STOP_WITHIN_SECONDS = 1.0
_PING_SECONDS = 14


@router.get("/live")
async def get_live(request: Request) -> Response:
    """Stream an event whenever something changed that the visitor may see."""
    me = await visitor(request)
    here = serving(request)
    if here.streams[me.principal.id] >= _MOST_STREAMS:
        raise TooManyError(f"{_MOST_STREAMS} pages are listening already; close one")
    stopping = anyio.Event()
    return EventSourceResponse(
        _stream(request, me, stopping),
        ping=_PING_SECONDS,
        headers={"cache-control": "no-store"},
        shutdown_event=stopping,
        shutdown_grace_period=_STOP_WITHIN_SECONDS,
    )


async def _stream(
    request: Request, me: Visitor, stopping: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    here = serving(request)
    here.streams[me.principal.id] += 1
    here.metrics.streams.inc()
    try:
        with here.around.announcer.watch() as watch:
            start = await here.around.store.read(lambda view: view.audit.size())
            while not stopping.is_set():
                read, seen = await _looked(request, me, start)
                start += read
                if seen:
                    yield ServerSentEvent(data="changed")
                for _ in range(_LOOKS_AT_STOPPING if read < _BATCH else 0):
                    if stopping.is_set() or await watch.changed(_LOOK_AT_STOPPING):
                        break
                try:
                    await here.around.identity.authenticate(me.session)
                except UnauthenticatedError:
                    return
    finally:
        here.metrics.streams.dec()
        here.streams[me.principal.id] -= 1


async def _looked(request: Request, me: Visitor, start: int) -> tuple[int, bool]:
    """Return how many entries there were from ``start`` on, and whether one may be seen."""
    around = around_of(request)
    now = around.clock.now()

    def work(view: Transaction) -> tuple[int, bool]:
        entries = view.audit.entries(start=start, limit=_BATCH)
        looker = Looker(around=around, view=view, principal=me.principal, at=now)
        grants = {json.loads(entry.body)["grant"] for entry in entries}
        return len(entries), any(_may_see(looker, grant) for grant in grants)

    return await around.store.read(work)


def _may_see(looker: Looker, grant: str | None) -> bool:
    if grant is None:
        return looker.audits()
    try:
        looker.visible(GrantId(grant))
    except NotFoundError:
        return False
    return True
