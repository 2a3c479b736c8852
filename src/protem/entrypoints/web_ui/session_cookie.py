"""A browser's session: the same token as a program's, in a cookie that no script can read.

Here: the cookie, and what guards it against other sites. Not here: proving the token (the identity
port) or handing one out (sign_in).

Invariants:
- ``HttpOnly``, ``SameSite=Lax``, and over TLS ``Secure`` with the ``__Host-`` prefix, which no
  subdomain can set.
- A cookie proves nothing for a request that changes something unless the browser says that our own
  page sent it: its ``Origin`` is ours *and* the form bears the session's own anti-forgery token.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from urllib.parse import urlsplit

from fastapi import Request, Response

from protem.domain.errors import DeniedError
from protem.domain.secret import Secret

_PLAIN, _OVER_TLS = "protem", "__Host-protem"
_MOST_TOKEN = 4_096
_FORGERY_CONTEXT = b"protem.dev/anti-forgery/v1"
FORGERY_FIELD = "anti_forgery"
FORGERY_HEADER = "x-protem-anti-forgery"


def set_session(
    response: Response, token: Secret, *, now: datetime, expires_at: datetime, tls: bool
) -> None:
    """Give the browser a session; ``tls`` says whether people reach us by https."""
    response.set_cookie(
        _OVER_TLS if tls else _PLAIN,
        token.reveal(),
        max_age=max(0, int((expires_at - now).total_seconds())),
        path="/",
        secure=tls,
        httponly=True,
        samesite="lax",
    )


def clear_session(response: Response) -> None:
    """Make the browser forget its session."""
    response.delete_cookie(_PLAIN, path="/", httponly=True, samesite="lax")
    response.delete_cookie(_OVER_TLS, path="/", secure=True, httponly=True, samesite="lax")


def session_of(request: Request, *, tls: bool) -> Secret | None:
    """Return the browser's token, if it sent one."""
    token = request.cookies.get(_OVER_TLS if tls else _PLAIN, "")
    return Secret(token) if token and len(token) <= _MOST_TOKEN else None


def anti_forgery(session: Secret) -> str:
    """Return what forms of this session bear; it tells nothing of the session."""
    return hmac.new(session.reveal().encode(), _FORGERY_CONTEXT, hashlib.sha256).hexdigest()


def check_not_forged(request: Request, session: Secret, given: str, *, own_origin: str) -> None:
    """Return when our own page sent this.

    Args:
        request: what came.
        session: the browser's.
        given: the anti-forgery token that came along.
        own_origin: scheme, host and port under which people reach us.

    Raises:
        DeniedError: when another site may have sent it.
    """
    origin = request.headers.get("origin") or _origin_of(request.headers.get("referer", ""))
    if origin != own_origin or not hmac.compare_digest(
        given.encode(), anti_forgery(session).encode()
    ):
        raise DeniedError("this did not come from one of our own pages; open the page again")


def _origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
