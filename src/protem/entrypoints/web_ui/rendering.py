"""From a template to a response: escaping, headers, and what every page knows.

Here: the one way in which HTML leaves this program. Not here: what a page says.

Invariants:
- Whatever a template prints is escaped for HTML, and first made visible: no control, bidirectional
  or invisible character of other people's reaches a page.
- No page may run a script, load a thing or send a form anywhere but here; there is no inline
  script and no inline style. Strings become HTML by script only through htmx's own Trusted Types
  policy, which its nonce gate guards.
- ``Referrer-Policy`` is ``same-origin``: with ``no-referrer`` browsers send ``Origin: null`` along
  with a form, and nothing could be told from a forgery.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from protem.domain.decisions import PolicyAction
from protem.domain.instants import format_instant
from protem.domain.request_wording import ENFORCEMENT
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.web_ui import page_text, static_files
from protem.entrypoints.web_ui.rights import holds

NAVIGATION = (
    ("/inbox", "Inbox"),
    ("/grants", "My grants"),
    ("/board", "Board"),
    ("/targets", "Targets"),
    ("/audit", "Audit"),
    ("/policy", "Policy"),
    ("/keys", "Keys"),
)
"""The pages that every page leads to, in order."""
_FOR_SOME = {
    "/audit": (PolicyAction.AUDIT,),
    "/policy": (PolicyAction.AUDIT, PolicyAction.ADMINISTER),
}
"""Whoever has none of these rights is not led there."""
THEME_COOKIE = "protem-theme"
THEMES = ("auto", "light", "dark")
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; manifest-src 'self'; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An identity provider that people can sign in with.

    Attributes:
        name: as in the address of its sign-in route.
        display: what its button says.
    """

    name: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebUi:
    """What pages know of their surroundings."""

    public_url: str | None = None
    providers: tuple[Provider, ...] = ()


def web_ui(request: Request) -> WebUi:
    """Return the surroundings of the application that got this request."""
    found: WebUi = request.app.state.web_ui
    return found


def own_origin(request: Request) -> str:
    """Return scheme, host and port under which people reach us."""
    parts = urlsplit(web_ui(request).public_url or str(request.base_url))
    return f"{parts.scheme}://{parts.netloc}"


def over_tls(request: Request) -> bool:
    """Say whether people reach us by https."""
    return own_origin(request).startswith("https:")


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Return a page.

    Every template sees ``visitor`` (None when nobody is signed in), ``now``, ``path``, ``theme``,
    ``asset(path)`` and ``nonce``, beside ``context``.
    """
    nonce = secrets.token_urlsafe(16)
    page = _environment().get_template(template)
    theme = request.cookies.get(THEME_COOKIE, "auto")
    text = page.render(
        {
            "visitor": request.scope.get("protem.visitor"),
            "now": format_instant(serving(request).around.clock.now()),
            "navigation": _navigation(request),
            "path": request.url.path,
            "theme": theme if theme in THEMES else "auto",
            "asset": static_files.address,
            "nonce": nonce,
            **context,
        }
    )
    return Response(
        text,
        status_code=status,
        media_type="text/html",
        headers={
            "content-security-policy": _POLICY.format(nonce=nonce),
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",  # noqa: E501  # one header
        },
    )


def _navigation(request: Request) -> list[tuple[str, str]]:
    """Return the pages that this visitor may look at."""
    visitor, around = request.scope.get("protem.visitor"), serving(request).around
    return [
        (address, name)
        for address, name in NAVIGATION
        if address not in _FOR_SOME
        or (visitor is not None and holds(around, visitor.principal, *_FOR_SOME[address]))
    ]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("protem.entrypoints.web_ui", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=page_text.finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(page_text.FILTERS)
    made.globals["enforcement"] = ENFORCEMENT
    return made
