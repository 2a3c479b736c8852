"""The HTTP application over one control plane.

Here: putting the parts together. Not here: routes (resources), and running it (entrypoints.cli).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from protem.bootstrap.plane import ControlPlane
from protem.entrypoints.http_api import openapi_document, problem_responses
from protem.entrypoints.http_api.metrics import Metrics
from protem.entrypoints.http_api.request_boundary import RequestBoundary
from protem.entrypoints.http_api.resources import (
    accounts,
    approver_keys,
    audit,
    audit_search,
    break_glass,
    delegations,
    doctor,
    events,
    grants,
    health,
    offers,
    oncall,
    plans,
    policy,
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
    offers,
    delegations,
    oncall,
    grants,
    break_glass,
    audit,
    audit_search,
    policy,
    events,
    doctor,
    accounts,
    approver_keys,
)


def create_app(
    plane: ControlPlane,
    *,
    allowed_hosts: Sequence[str] = (),
    mounts: Mapping[str, ASGIApp] | None = None,
) -> FastAPI:
    """Return the application; the caller runs ``plane.running()`` around serving it.

    Args:
        plane: what it serves.
        allowed_hosts: names that the Host header may have; empty allows any.
        mounts: applications with errors and callers of their own, by their path.
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
    for path, mounted in (mounts or {}).items():
        app.mount(path, mounted)
    app.openapi = lambda: openapi_document.document(app)  # type: ignore[method-assign]  # as documented
    return app
