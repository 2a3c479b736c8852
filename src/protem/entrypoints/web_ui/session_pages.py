"""Signing in and out, and how pages look to this browser.

Here: the one-time token's form, the way to identity providers, the light or dark choice. Not here:
what providers answer (the sign-in routes of the API).
"""

from __future__ import annotations

from fastapi import Request, Response

from protem.domain.errors import InvalidError, UnauthenticatedError
from protem.domain.secret import Secret
from protem.entrypoints.http_api.serving import program_of, serving
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.rendering import (
    THEME_COOKIE,
    THEMES,
    over_tls,
    render,
    web_ui,
)
from protem.entrypoints.web_ui.session_cookie import clear_session, set_session
from protem.entrypoints.web_ui.visitors import (
    HOME,
    SignInNeededError,
    around_of,
    local_path,
    posted,
    posted_by_anyone,
    visitor,
)
from protem.services.sign_in import sign_in, sign_out

router = page_router()
_A_YEAR = 365 * 86_400
_MOST_TOKEN = 1_024


@router.get("/")
async def get_home() -> Response:
    """Go to the first page."""
    return see(HOME)


@router.get("/sign-in")
async def get_sign_in(request: Request, next: str = "") -> Response:  # noqa: A002  # its name on the web
    """Return the sign-in page, or go on when signed in."""
    onwards = local_path(next)
    try:
        await visitor(request)
    except SignInNeededError:
        return _sign_in_page(request, onwards)
    return see(onwards)


@router.post("/sign-in")
async def post_sign_in(request: Request) -> Response:
    """Exchange a one-time token for a session in this browser."""
    form = await posted_by_anyone(request)
    onwards = local_path(form["next"])
    token = form["token"].strip()
    if not 0 < len(token) <= _MOST_TOKEN:
        return _sign_in_page(request, onwards, refused="Paste the whole one-time token.")
    around = around_of(request)
    try:
        signed_in = await sign_in(around, Secret(token), client=program_of(request))
    except UnauthenticatedError:
        refused = "This token is unknown, used already, or too old. Ask for a new one."
        return _sign_in_page(request, onwards, refused=refused)
    request.scope["protem.principal"] = str(signed_in.principal.id)
    response = see(onwards)
    set_session(
        response,
        signed_in.token,
        now=around.clock.now(),
        expires_at=signed_in.expires_at,
        tls=over_tls(request),
    )
    return response


@router.post("/sign-out")
async def post_sign_out(request: Request) -> Response:
    """Forget the session, here and in the browser."""
    sender, _ = await posted(request)
    await sign_out(around_of(request), sender.principal, sender.session)
    providers = serving(request).plane.sign_in.values()
    issuer = sender.principal.id.issuer
    names = [provider.name for provider, _ in providers if provider.issuer == issuer]
    response = see(f"/signed-out?left={names[0]}" if names else "/signed-out")
    clear_session(response)
    return response


@router.post("/theme")
async def post_theme(request: Request) -> Response:
    """Keep whether pages are light or dark in this browser."""
    form = await posted_by_anyone(request)
    theme = form["theme"]
    if theme not in THEMES:
        raise InvalidError("pages are light, dark, or as the system says")
    response = see(local_path(form["next"]))
    response.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=_A_YEAR,
        path="/",
        secure=over_tls(request),
        httponly=True,
        samesite="lax",
    )
    return response


def _sign_in_page(request: Request, onwards: str, refused: str = "") -> Response:
    return render(
        request,
        "sign_in.html",
        status=401 if refused else 200,
        onwards=onwards,
        refused=refused,
        providers=web_ui(request).providers,
    )
