"""What every handler needs: the control plane, its figures, and who is calling.

Here: finding these from a request. Not here: deciding what the caller may do (services, policy).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from fastapi import Request

from protem.bootstrap.plane import ControlPlane
from protem.domain.decisions import PolicyAction, refuse_if_denied
from protem.domain.errors import UnauthenticatedError
from protem.domain.policy_questions import about_role
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.entrypoints.http_api.metrics import Metrics
from protem.services.surroundings import Surroundings

_MOST_TOKEN = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One application's parts.

    Attributes:
        streams: open event streams by principal.
        replaying: held while a replay of policy runs.
    """

    plane: ControlPlane
    metrics: Metrics
    streams: Counter[PrincipalId] = field(default_factory=Counter)
    replaying: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def around(self) -> Surroundings:
        """The ports."""
        return self.plane.around


def serving(request: Request) -> Serving:
    """Return the parts of the application that got this request."""
    found: Serving = request.app.state.serving
    return found


def bearer(request: Request) -> Secret:
    """Return the token that came along.

    Raises:
        UnauthenticatedError: when none did.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _MOST_TOKEN:
        raise UnauthenticatedError(
            "this call needs Authorization: Bearer TOKEN", next_step="protem login"
        )
    return Secret(token.strip())


def program_of(request: Request) -> str:
    """Return what the caller's program says of itself; anything may be in it."""
    return request.headers.get("user-agent", "")


async def caller(request: Request) -> Principal:
    """Return who is calling.

    Raises:
        UnauthenticatedError: when the token proves nobody.
    """
    principal = await serving(request).around.identity.authenticate(bearer(request))
    request.scope["protem.principal"] = str(principal.id)
    return principal


async def caller_with(request: Request, action: PolicyAction) -> Principal:
    """Return who is calling, who must hold a standing right such as ``administer``.

    Raises:
        UnauthenticatedError: when the token proves nobody.
        PolicyDeniedError: when policy does not give the right.
    """
    principal = await caller(request)
    around = serving(request).around
    refuse_if_denied(around.policy.decide(about_role(action, principal, around.clock.now())))
    return principal
