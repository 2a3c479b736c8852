"""The HTTP application over one control plane.

Here: putting the parts together. Not here: routes (resources), and running it (entrypoints.cli).
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from protem.bootstrap.plane import ControlPlane
from protem.entrypoints.http_api import openapi_document, problem_responses
from protem.entrypoints.http_api.metrics import Metrics
from protem.entrypoints.http_api.request_boundary import RequestBoundary
from protem.entrypoints.http_api.resources import (
    accounts,
    approver_keys,
    audit,
    doctor,
    events,
    grants,
    health,
    plans,
    requests,
    sessions,
    targets,
)
from protem.entrypoints.http_api.serving import Serving

_RESOURCES = (
    health,
    sessions,
    targets,
    plans,
    requests,
    grants,
    audit,
    events,
    doctor,
    accounts,
    approver_keys,
)


def create_app(plane: ControlPlane, *, allowed_hosts: Sequence[str] = ()) -> FastAPI:
    """Return the application; the caller runs ``plane.running()`` around serving it.

    Args:
        plane: what it serves.
        allowed_hosts: names that the Host header may have; empty allows any.
    """
    metrics = Metrics()
    middleware = [Middleware(RequestBoundary, metrics=metrics)]
    if allowed_hosts:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts)))
    app = FastAPI(
        title="Protem",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=middleware,
        redirect_slashes=False,
    )
    app.state.serving = Serving(plane=plane, metrics=metrics)
    problem_responses.install(app)
    for resource in _RESOURCES:
        app.include_router(resource.router)
    app.openapi = lambda: openapi_document.document(app)  # type: ignore[method-assign]  # as documented
    return app
