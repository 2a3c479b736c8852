"""The live stream of audit events that one may see.

Here: server-sent events over the log, resumed by ``Last-Event-ID``. Not here: what an event holds.

Invariants: the id of an event is its index in the log, so nothing is lost or repeated over a
reconnect; the session is proved again for every batch, so a disabled account's stream ends; whether
an event may be seen is asked of the same rule as for reading the grant.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import anyio
from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from protem.domain.errors import InvalidError, NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.entrypoints.http_api.problem_responses import TooManyError
from protem.entrypoints.http_api.serving import Serving, caller, serving
from protem.ports.announcer import Watch
from protem.ports.store import AuditEntry, Transaction
from protem.services.view_grants import Looker


class _Stream(Response):
    """What the document says of the answer; an ``EventSourceResponse`` names no type of its own."""

    media_type = "text/event-stream"


router = APIRouter(prefix="/v1/events", tags=["events"])
_BATCH = 200
_MOST_STREAMS = 8
_LOOK_AT_STOPPING = timedelta(milliseconds=250)
_LOOKS_AT_STOPPING = 20
"""So that the log is read again every five seconds even without news."""
_STOP_WITHIN_SECONDS = 1.0
_PING_SECONDS = 14


@router.get("", response_class=_Stream)
async def get_events(request: Request) -> Response:
    """Stream events from now on, or from after ``Last-Event-ID``."""
    here = serving(request)
    principal = await caller(request)
    start = await _start(here, request.headers.get("last-event-id"))
    if here.streams[principal.id] >= _MOST_STREAMS:
        raise TooManyError(f"{_MOST_STREAMS} event streams are open already; close one")
    stopping = anyio.Event()
    return EventSourceResponse(
        _stream(request, principal, start, stopping),
        ping=_PING_SECONDS,
        headers={"cache-control": "no-store"},
        shutdown_event=stopping,
        shutdown_grace_period=_STOP_WITHIN_SECONDS,
    )


async def _start(here: Serving, last: str | None) -> int:
    if last is None:
        return await here.around.store.read(lambda view: view.audit.size())
    if not last.isascii() or not last.isdigit() or len(last) > 15:  # noqa: PLR2004  # below 2^53
        raise InvalidError("Last-Event-ID is the index of an audit entry")
    return int(last) + 1


async def _stream(
    request: Request, principal: Principal, start: int, stopping: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    here = serving(request)
    here.streams[principal.id] += 1
    here.metrics.streams.inc()
    try:
        with here.around.announcer.watch() as watch:
            while not stopping.is_set():
                batch, visible = await _batch(here, principal, start)
                for event in visible:
                    yield event
                start += batch
                if batch < _BATCH:
                    await _news(watch, stopping)
                try:
                    principal = await caller(request)
                except UnauthenticatedError:
                    return
    finally:
        here.metrics.streams.dec()
        here.streams[principal.id] -= 1


async def _news(watch: Watch, stopping: anyio.Event) -> None:
    """Return when something was announced, it is time to look again, or the server stops."""
    for _ in range(_LOOKS_AT_STOPPING):
        if stopping.is_set() or await watch.changed(_LOOK_AT_STOPPING):
            return


async def _batch(
    here: Serving, principal: Principal, start: int
) -> tuple[int, Sequence[ServerSentEvent]]:
    """Return how many entries there were from ``start`` on, and those that may be seen."""
    around = here.around
    now = around.clock.now()

    def work(view: Transaction) -> tuple[int, list[ServerSentEvent]]:
        entries = view.audit.entries(start=start, limit=_BATCH)
        looker = Looker(around=around, view=view, principal=principal, at=now)
        return len(entries), [
            event for entry in entries if (event := _event(looker, entry)) is not None
        ]

    return await around.store.read(work)


def _event(looker: Looker, entry: AuditEntry) -> ServerSentEvent | None:
    body = json.loads(entry.body)
    if not looker.audits():
        if body["grant"] is None:
            return None
        try:
            looker.visible(GrantId(body["grant"]))
        except NotFoundError:
            return None
    return ServerSentEvent(data=entry.body.decode(), event=body["kind"], id=str(entry.index))
