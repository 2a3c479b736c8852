"""Who looks at a page, and what their forms bring along.

Here: the browser's session as a visitor, and reading a form that our own page sent. Not here: the
cookie itself (web_ui.session_cookie), and what a visitor may do (services).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import Request

from protem.domain.errors import DeniedError, UnauthenticatedError
from protem.domain.principals import Principal
from protem.domain.secret import Secret
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.web_ui.rendering import over_tls, own_origin
from protem.entrypoints.web_ui.session_cookie import (
    FORGERY_FIELD,
    FORGERY_HEADER,
    anti_forgery,
    check_not_forged,
    session_of,
)
from protem.services.surroundings import Surroundings

_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}")
_MOST_FIELDS = 64
HOME = "/inbox"


class SignInNeededError(UnauthenticatedError):
    """Nobody is signed in; ``address`` is where to do so."""

    def __init__(self, address: str) -> None:
        super().__init__("sign in first")
        self.address = address


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is signed in with this browser.

    Attributes:
        anti_forgery: what every form of this session bears as ``FORGERY_FIELD``.
    """

    principal: Principal
    session: Secret
    anti_forgery: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The text fields of a form; absent ones are empty."""

    fields: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


def around_of(request: Request) -> Surroundings:
    """Return the ports of the application that got this request."""
    return serving(request).around


async def visitor(request: Request) -> Visitor:
    """Return who is signed in.

    Raises:
        SignInNeededError: when nobody is.
    """
    session = session_of(request, tls=over_tls(request))
    if session is None:
        raise SignInNeededError(_sign_in_for(request))
    try:
        principal = await around_of(request).identity.authenticate(session)
    except UnauthenticatedError as error:
        raise SignInNeededError(_sign_in_for(request)) from error
    found = Visitor(principal=principal, session=session, anti_forgery=anti_forgery(session))
    request.scope["protem.principal"] = str(principal.id)
    request.scope["protem.visitor"] = found
    return found


async def posted(request: Request) -> tuple[Visitor, Form]:
    """Return who sent a form, and the form, which one of our own pages sent.

    Raises:
        SignInNeededError: when nobody is signed in.
        DeniedError: when another site may have sent it.
    """
    sender = await visitor(request)
    form = await read_form(request)
    given = form[FORGERY_FIELD] or request.headers.get(FORGERY_HEADER, "")
    check_not_forged(request, sender.session, given, own_origin=own_origin(request))
    return sender, form


async def posted_by_anyone(request: Request) -> Form:
    """Return a form of a page that needs no session, which our own page sent.

    Raises:
        DeniedError: when the browser does not say that our own page sent it.
    """
    if request.headers.get("origin") != own_origin(request):
        raise DeniedError("this did not come from one of our own pages; open the page again")
    return await read_form(request)


async def read_form(request: Request) -> Form:
    """Return the text fields of a form; files are not taken."""
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        return Form(fields={name: v for name, v in form.items() if isinstance(v, str)})


def local_path(text: str) -> str:
    """Return ``text`` when it is an address on this server, else the home page."""
    return text if _LOCAL_PATH.fullmatch(text) else HOME


def _sign_in_for(request: Request) -> str:
    if request.method != "GET" or request.url.path == "/":
        return "/sign-in"
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(asked, safe='')}"
