"""Putting the pages onto the application that serves the API.

Here: which pages there are, and what they know of their surroundings. Not here: any page.
"""

from __future__ import annotations

from fastapi import FastAPI

from protem.entrypoints.http_api.serving import Serving
from protem.entrypoints.web_ui import (
    answer_pages,
    audit_pages,
    device_pages,
    glass_pages,
    grant_lists,
    inbox_page,
    key_pages,
    live_news,
    offer_pages,
    oidc_pages,
    policy_pages,
    request_pages,
    review_pages,
    session_pages,
    static_files,
    targets_pages,
)
from protem.entrypoints.web_ui.pending_sign_in import PendingSignIns
from protem.entrypoints.web_ui.rendering import Provider, WebUi

_PAGES = (
    session_pages,
    oidc_pages,
    device_pages,
    inbox_page,
    request_pages,
    review_pages,
    offer_pages,
    glass_pages,
    answer_pages,
    grant_lists,
    key_pages,
    live_news,
    targets_pages,
    audit_pages,
    policy_pages,
)


def install(app: FastAPI, *, public_url: str | None = None) -> FastAPI:
    """Add the pages to ``app`` and return it.

    Args:
        app: the HTTP application, as ``create_app`` made it.
        public_url: under which people reach us; None: whatever they typed, by http or https as it
            arrives here.
    """
    here: Serving = app.state.serving
    providers = [
        Provider(name=one.name, display=one.display) for one, _ in here.plane.sign_in.values()
    ]
    app.state.web_ui = WebUi(public_url=public_url, providers=tuple(providers))
    app.state.pending_sign_ins = PendingSignIns()
    app.include_router(static_files.router)
    for page in _PAGES:
        app.include_router(page.router, include_in_schema=False)
    return app
