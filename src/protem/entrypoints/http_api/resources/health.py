"""Alive, able to serve, and figures; open to whoever reaches the socket, naming nobody."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from protem.domain.errors import ProtemError
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.serving import serving

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return json_response({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Store, audit log, clock and reconciler work; else 503 and which does not."""
    plane = serving(request).plane
    checks = {"store": "ok", "audit": "ok", "clock": "ok", "reconciler": "ok"}
    try:
        await plane.around.store.read(lambda view: view.audit.size())
    except ProtemError as error:
        checks["store"] = error.code
    if "store" in plane.loops.troubles:
        checks["store"] = "failing"
    for name, check in (
        ("audit", plane.around.audit_log.check_writable),
        ("clock", plane.around.clock.check_steady),
    ):
        try:
            check()
        except ProtemError as error:
            checks[name] = error.code
    if not plane.is_working or "reconciler" in plane.loops.troubles:
        checks["reconciler"] = "failing"
    ready = set(checks.values()) == {"ok"}
    document = {"status": "ready" if ready else "not ready", "checks": checks}
    return json_response(document, 200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Figures as Prometheus text."""
    here = serving(request)
    text = await here.metrics.text(here.plane)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
