"""The SCIM application, mounted beside the API under one server.

Here: putting its parts together. It is an application of its own because its errors, media type
and callers are. Not here: the middleware around both (http_api.app).
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from protem.bootstrap.scim_settings import TrustedDirectory
from protem.entrypoints.scim import discovery, errors, groups, users
from protem.entrypoints.scim.protocol import ScimServing
from protem.services.surroundings import Surroundings

PREFIX = "/scim/v2"
"""Where it is mounted."""


def create_scim_app(
    around: Surroundings,
    directories: Sequence[TrustedDirectory],
    *,
    public_url: str | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        around: the ports.
        directories: who may call.
        public_url: under which directories reach the server; None to go by each request.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.scim = ScimServing(
        around=around, directories=tuple(directories), public_url=public_url
    )
    errors.install(app)
    for part in (discovery, users, groups):
        app.include_router(part.router)
    return app
