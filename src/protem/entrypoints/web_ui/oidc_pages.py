"""To an identity provider and back, and out of it again.

Here: the two legs of a sign-in in the browser, and logout both ways. Not here: what a provider's
answer proves (the sign-in port) and what follows (services.sign_in).
"""

from __future__ import annotations

from fastapi import Request, Response

from protem.domain.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from protem.entrypoints.http_api.serving import program_of, serving
from protem.entrypoints.web_ui.page_route import error_page, page_router, see
from protem.entrypoints.web_ui.pending_sign_in import PendingSignIn, PendingSignIns
from protem.entrypoints.web_ui.rendering import over_tls, own_origin, render
from protem.entrypoints.web_ui.session_cookie import set_session
from protem.entrypoints.web_ui.visitors import around_of, local_path, read_form
from protem.ports.sign_in_provider import SignInProvider
from protem.services.sign_in import SignInRules, end_sessions, sign_in_proved

router = page_router()
_PREFIX = "/v1/sign-in/oidc/{name}"
_MOST_ANSWER = 8_192


@router.get(_PREFIX + "/start")
async def get_start(request: Request, name: str, next: str = "") -> Response:  # noqa: A002  # its name on the web
    """Send the browser to the provider."""
    provider, _ = _provider(request, name)
    begun = await provider.begin(callback=_callback(request, name))
    pending = PendingSignIn(
        provider=name, begun=begun, wanted=local_path(next), at=around_of(request).clock.now()
    )
    response = see(begun.address)
    _pending(request).keep(response, pending, tls=over_tls(request))
    return response


@router.get(_PREFIX + "/callback")
async def get_callback(request: Request, name: str) -> Response:
    """Take the provider's answer: a session for this browser, or a page that says why not."""
    provider, rules = _provider(request, name)
    around, tls = around_of(request), over_tls(request)
    if len(request.url.query) > _MOST_ANSWER:
        raise InvalidError("this is no answer of an identity provider")
    try:
        pending = _pending(request).take(request, name, around.clock.now(), tls=tls)
        answer = dict(request.query_params)
        proved = await provider.finish(
            pending.begun, callback=_callback(request, name), answer=answer
        )
        signed_in = await sign_in_proved(around, proved, rules, client=program_of(request))
    except UnauthenticatedError as error:
        response = error_page(request, error)
        _pending(request).forget(response, tls=tls)
        return response
    request.scope["protem.principal"] = str(signed_in.principal.id)
    response = see(pending.wanted)
    _pending(request).forget(response, tls=tls)
    set_session(
        response,
        signed_in.token,
        now=around.clock.now(),
        expires_at=signed_in.expires_at,
        tls=tls,
    )
    return response


@router.get(_PREFIX + "/leave")
async def get_leave(request: Request, name: str) -> Response:
    """End the browser's session at the provider, too (RP-Initiated Logout 1.0)."""
    provider, _ = _provider(request, name)
    address = await provider.logout_address(back_to=f"{own_origin(request)}/sign-in")
    return see(address or "/sign-in")


@router.post(_PREFIX + "/left")
async def post_left(request: Request, name: str) -> Response:
    """End a person's sessions when the provider says so (Back-Channel Logout 1.0)."""
    provider, _ = _provider(request, name)
    form = await read_form(request)
    try:
        left = await provider.who_left(form["logout_token"])
        await end_sessions(around_of(request), left, name)
    except (UnauthenticatedError, ConflictError):
        return Response(status_code=400)  # as section 2.8 has it
    return Response(status_code=200)


@router.get("/signed-out")
async def get_signed_out(request: Request, left: str = "") -> Response:
    """Say that nobody is signed in here any more, and where one still is."""
    provider = serving(request).plane.sign_in.get(left)
    return render(request, "signed_out.html", provider=None if provider is None else provider[0])


def _provider(request: Request, name: str) -> tuple[SignInProvider, SignInRules]:
    found = serving(request).plane.sign_in.get(name)
    if found is None:
        raise NotFoundError("there is no such identity provider")
    return found


def _pending(request: Request) -> PendingSignIns:
    found: PendingSignIns = request.app.state.pending_sign_ins
    return found


def _callback(request: Request, name: str) -> str:
    return f"{own_origin(request)}/v1/sign-in/oidc/{name}/callback"
